"""Two runtimes, measured in a second."""

from __future__ import annotations

from clip_pipeline.embedding.runtimes.choice import Measuring
from clip_pipeline.embedding.runtimes.registry import torch_bf16, torch_fp32


class Quick:
    """Measures two runtimes with few photos, which takes a second. asked: the runtimes that were made."""

    def __init__(self, **made):
        self.asked: list[str] = []
        self.made = {"torch_fp32": torch_fp32, "torch_bf16": torch_bf16} | made
        self.measuring = Measuring(("torch_fp32", "torch_bf16"), 20, 40, repeats=2, make=self._make)

    def _make(self, name, model, place):
        self.asked.append(name)
        return self.made[name](model, place)
