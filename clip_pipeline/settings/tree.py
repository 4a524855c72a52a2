"""All settings of one run: a tree of small frozen dataclasses, one a stage."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass

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
from clip_pipeline.settings.sections.search import SearchSettings
from clip_pipeline.settings.sections.tokenizer import TokenizerSettings
from clip_pipeline.settings.sections.training import TrainingSettings
from clip_pipeline.settings.sections.wikipedia import WikipediaSettings
from clip_pipeline.settings.sections.words import WordsSettings


@dataclass(frozen=True)
class Recipe:
    """All settings of one run of the pipeline."""

    name: str = "sandbox"
    about: str = ""
    wikipedia: WikipediaSettings = WikipediaSettings()
    words: WordsSettings = WordsSettings()
    links: LinksSettings = LinksSettings()
    download: DownloadSettings = DownloadSettings()
    pairs: PairsSettings = PairsSettings()
    tokenizer: TokenizerSettings = TokenizerSettings()
    training: TrainingSettings = TrainingSettings()
    embedding: EmbeddingSettings = EmbeddingSettings()
    parallelism: ParallelismSettings = ParallelismSettings()
    evaluation: EvaluationSettings = EvaluationSettings()
    probe: ProbeSettings = ProbeSettings()
    adaptation: AdaptationSettings = AdaptationSettings()
    search: SearchSettings = SearchSettings()
    pooling: PoolingSettings = PoolingSettings()
    language: LanguageSettings = LanguageSettings()
    sandbox: SandboxSettings = SandboxSettings()
    compute: ComputeSettings = ComputeSettings()


SECTIONS: dict[str, type] = {
    spec.name: type(spec.default) for spec in dataclasses.fields(Recipe) if dataclasses.is_dataclass(spec.default)
}


def settings_text(recipe: Recipe) -> str:
    """The whole recipe as indented JSON, as it is written beside a model."""
    return json.dumps(dataclasses.asdict(recipe), indent=1, sort_keys=True)


def recipe_of_text(text: str) -> Recipe:
    """The recipe that `settings_text` wrote, the same in every field. Raises SettingsError for a setting that there is not."""
    values = json.loads(text)
    return Recipe(**values | {name: kind(**values[name]) for name, kind in SECTIONS.items()})
