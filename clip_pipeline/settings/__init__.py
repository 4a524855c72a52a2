"""The settings: typed, with help and limits, one section a stage.

A user changes single fields with `--set stage.field=value` (`with_settings`). Every field has a default and a help text.
A field marked `speed` cannot change an artifact's bytes (worker counts, device), so it stays out of fingerprints.
"""

from __future__ import annotations

from clip_pipeline.settings.assignments import with_settings
from clip_pipeline.settings.checked import fingerprinted
from clip_pipeline.settings.sections.adaptation import AdaptationSettings
from clip_pipeline.settings.sections.compute import ComputeSettings
from clip_pipeline.settings.sections.download import DownloadSettings
from clip_pipeline.settings.sections.embedding import EmbeddingSettings
from clip_pipeline.settings.sections.evaluation import EvaluationSettings
from clip_pipeline.settings.sections.language import LanguageSettings
from clip_pipeline.settings.sections.links import LinksSettings
from clip_pipeline.settings.sections.pairs import PairsSettings
from clip_pipeline.settings.sections.parallelism import ParallelismSettings
from clip_pipeline.settings.sections.pooling import PoolingSettings
from clip_pipeline.settings.sections.probe import ProbeSettings
from clip_pipeline.settings.sections.sandbox import SandboxSettings
from clip_pipeline.settings.sections.tokenizer import TokenizerSettings
from clip_pipeline.settings.sections.training import TrainingSettings
from clip_pipeline.settings.sections.wikipedia import WikipediaSettings
from clip_pipeline.settings.sections.words import WordsSettings
from clip_pipeline.settings.tree import SECTIONS, Recipe, recipe_of_text, settings_text

__all__ = [
    "AdaptationSettings",
    "ComputeSettings",
    "DownloadSettings",
    "EmbeddingSettings",
    "EvaluationSettings",
    "LanguageSettings",
    "LinksSettings",
    "PairsSettings",
    "PoolingSettings",
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
    "recipe_of_text",
    "settings_text",
    "with_settings",
]
