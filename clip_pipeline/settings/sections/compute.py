"""The settings `compute`: what the machine gives. None of it changes an artifact's bytes in a way that fingerprints record."""

from __future__ import annotations

from dataclasses import dataclass

from clip_pipeline.settings.checked import CheckedSettings, setting


@dataclass(frozen=True)
class ComputeSettings(CheckedSettings):
    """What the machine gives. None of it changes an artifact's bytes in a way that fingerprints record."""

    device: str = setting(
        "auto", "cpu, cuda, mps, or auto for the best there is.", choices=("auto", "cpu", "cuda", "mps"), speed=True
    )
    workers: int = setting(
        0,
        "Processes that count words and check downloaded photos, and threads that decode photos for training, embedding and "
        "adaptation; 0 is one a core.",
        low=0,
        high=256,
        speed=True,
    )
    threads: int = setting(
        0, "Threads of the arithmetic, of torch and ONNX Runtime; 0 is one a core.", low=0, high=256, speed=True
    )
