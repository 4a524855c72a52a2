"""All cases, by name."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from clip_pipeline_tests.crash_points.case import Case
from clip_pipeline_tests.crash_points.data_cases import run_of, takedown_of_data
from clip_pipeline_tests.crash_points.download_cases import download_onto_an_older_one, takedown_of_a_folder
from clip_pipeline_tests.crash_points.result_cases import embedding, training

CASES: dict[str, Callable[[], AbstractContextManager[Case]]] = {
    "download": download_onto_an_older_one,
    "takedown_folder": lambda: takedown_of_a_folder("takedown_folder", unfinished=False),
    "takedown_unfinished": lambda: takedown_of_a_folder("takedown_unfinished", unfinished=True),
    "takedown_photos": lambda: takedown_of_data("takedown_photos", "evaluation", "embedding", "training", "adaptation"),
    "takedown_data": lambda: takedown_of_data("takedown_data", "adaptation", "benchmark_report"),
    "embed": embedding,
    "train": training,
    "run_words": lambda: run_of("run_words", "+vocabulary"),
    "run_photos": lambda: run_of(
        "run_photos", "+image_text_pairs", "images", "evaluation", "embedding", "training", "adaptation", "text"
    ),
    "run_models": lambda: run_of("run_models", "", "evaluation", "embedding", "training", "adaptation", "text"),
}
