"""Words into a working CLIP, and into numbers one can trust.

    import clip_pipeline

    clip_pipeline.train("photos/", "model/", recipe="laptop")
    model, preprocess, tokenizer = clip_pipeline.load("model/")
    scores = clip_pipeline.evaluate("model/", "pets/", "scores.json")

One function a verb, as on the command line; docs/tutorial.md goes through them. They are loaded when they are first used.
The folders, read downward, are the pipeline: sources, words, images, text, models, training, embedding, evaluation.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from clip_pipeline.version import __version__

if TYPE_CHECKING:
    from clip_pipeline.api.adapt import adapt
    from clip_pipeline.api.classify import classify
    from clip_pipeline.api.compare import compare_language_models, compare_scores, compare_trainings
    from clip_pipeline.api.count_words import count_words
    from clip_pipeline.api.datasets import add_dataset, download_dataset, remove_dataset
    from clip_pipeline.api.download import download
    from clip_pipeline.api.embed import embed
    from clip_pipeline.api.evaluate import evaluate
    from clip_pipeline.api.launch import launch
    from clip_pipeline.api.models import list_models, load
    from clip_pipeline.api.plan import plan
    from clip_pipeline.api.probe import probe
    from clip_pipeline.api.run import run
    from clip_pipeline.api.search import search
    from clip_pipeline.api.status import forget_answers, request_budgets, status, verify
    from clip_pipeline.api.take_down import take_down
    from clip_pipeline.api.train import train
    from clip_pipeline.api.train_tokenizer import train_tokenizer
    from clip_pipeline.api.variants import add_variant, list_variants, remove_variant
    from clip_pipeline.storage.tables import read_table

__all__ = [
    "__version__",
    "adapt",
    "add_dataset",
    "add_variant",
    "classify",
    "compare_language_models",
    "compare_scores",
    "compare_trainings",
    "count_words",
    "download",
    "download_dataset",
    "embed",
    "evaluate",
    "forget_answers",
    "launch",
    "list_models",
    "list_variants",
    "load",
    "plan",
    "probe",
    "read_table",
    "remove_dataset",
    "remove_variant",
    "request_budgets",
    "run",
    "search",
    "status",
    "take_down",
    "train",
    "train_tokenizer",
    "verify",
]


_HOMES = {
    "read_table": "storage.tables",
    **dict.fromkeys(("add_dataset", "download_dataset", "remove_dataset"), "api.datasets"),
    **dict.fromkeys(("add_variant", "list_variants", "remove_variant"), "api.variants"),
    **dict.fromkeys(("list_models", "load"), "api.models"),
    **dict.fromkeys(("forget_answers", "request_budgets", "verify"), "api.status"),
    **dict.fromkeys(("compare_language_models", "compare_scores", "compare_trainings"), "api.compare"),
}
"""Where a function is that shares its file with others; the rest have files of their own names in `api/`."""


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = _HOMES.get(name, f"api.{name}")
    value = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
