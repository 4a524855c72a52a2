"""The settings: typed, with help and limits, one section a stage.

A user changes single fields with `--set stage.field=value` (`with_settings`). Every field has a default and a help text.
A field marked `speed` cannot change an artifact's bytes (worker counts, device), so it stays out of fingerprints.
"""

from __future__ import annotations

from clip_pipeline.settings.assignments import with_settings
from clip_pipeline.settings.checked import fingerprinted
from clip_pipeline.settings.data import (
    DownloadSettings,
    LinksSettings,
    PairsSettings,
    SandboxSettings,
    WikipediaSettings,
    WordsSettings,
)
from clip_pipeline.settings.model import (
    AdaptationSettings,
    ComputeSettings,
    EmbeddingSettings,
    EvaluationSettings,
    ParallelismSettings,
    ProbeSettings,
    TokenizerSettings,
    TrainingSettings,
)
from clip_pipeline.settings.tree import SECTIONS, Recipe, settings_text

__all__ = [
    "AdaptationSettings",
    "ComputeSettings",
    "DownloadSettings",
    "EmbeddingSettings",
    "EvaluationSettings",
    "LinksSettings",
    "PairsSettings",
    "ProbeSettings",
    "ParallelismSettings",
    "Recipe",
    "SECTIONS",
    "SandboxSettings",
    "TokenizerSettings",
    "TrainingSettings",
    "WikipediaSettings",
    "WordsSettings",
    "fingerprinted",
    "settings_text",
    "with_settings",
]
