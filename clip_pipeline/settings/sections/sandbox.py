"""The settings `sandbox`: the generated world."""

from __future__ import annotations

from dataclasses import dataclass

from clip_pipeline.settings.checked import CheckedSettings, setting


@dataclass(frozen=True)
class SandboxSettings(CheckedSettings):
    """The generated world."""

    seed: int = setting(0, "Another seed is another world.")
    photos: int = setting(9000, "Photos in the world.", low=50, high=200_000)
    articles: int = setting(1500, "Articles in the world's Wikipedia.", low=50, high=200_000)
