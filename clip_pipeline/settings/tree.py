"""All settings of one run: a tree of small frozen dataclasses, one a stage."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass

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
    sandbox: SandboxSettings = SandboxSettings()
    compute: ComputeSettings = ComputeSettings()


SECTIONS: dict[str, type] = {
    spec.name: type(spec.default) for spec in dataclasses.fields(Recipe) if dataclasses.is_dataclass(spec.default)
}


def settings_text(recipe: Recipe) -> str:
    """The whole recipe as indented JSON, as it is written beside a model."""
    return json.dumps(dataclasses.asdict(recipe), indent=1, sort_keys=True)
