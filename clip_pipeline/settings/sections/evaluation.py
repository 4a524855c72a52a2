"""The settings `evaluation`: what is scored, and how sure the numbers are."""

from __future__ import annotations

from dataclasses import dataclass

from clip_pipeline.settings.checked import CheckedSettings, setting


@dataclass(frozen=True)
class EvaluationSettings(CheckedSettings):
    """What is scored, and how sure the numbers are."""

    datasets: str = setting(
        "sandbox,held_out",
        "Datasets, separated by commas: names (sandbox, digits; held_out is the test split of the pairs), NAME=PATH for those of "
        "the registry (cifar10=FOLDER) or of your own, or paths. See clip-pipeline datasets.",
    )
    templates: str = setting(
        "own",
        "Sets of prompts, separated by commas, scored side by side: own (the dataset's), cifar18 and imagenet80 (of CLIP's authors).",
    )
    bootstrap_samples: int = setting(1000, "Resamples behind each 95 % interval.", low=100)
    shuffle_labels: bool = setting(False, "Control: permute the labels. Scores must then be chance.")
    seed: int = setting(0, "Seed of the resampling.")
