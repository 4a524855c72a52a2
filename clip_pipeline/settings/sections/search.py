"""The settings `search`: the index in which the photos are searched."""

from __future__ import annotations

from dataclasses import dataclass

from clip_pipeline.settings.checked import CheckedSettings, setting


@dataclass(frozen=True)
class SearchSettings(CheckedSettings):
    """The index in which the photos are searched."""

    captions: int = setting(
        2000,
        "Captions of the training, drawn by lot, that each photo is compared with to know what a usual cosine is.",
        low=10,
    )
    phrases: int = setting(
        400,
        "Phrases of captions, drawn by lot, from which the index learns what a score means, and as many that no photo has.",
        low=40,
    )
    seed: int = setting(0, "Seed of the draws.", low=0)
