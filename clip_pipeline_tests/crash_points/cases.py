"""All cases, by name."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from clip_pipeline_tests.crash_points.case import Case
from clip_pipeline_tests.crash_points.data_cases import run_of, takedown_of_data
from clip_pipeline_tests.crash_points.download_cases import download_onto_an_older_one, takedown_of_a_folder
from clip_pipeline_tests.crash_points.ledger_case import ledger_of_requests
from clip_pipeline_tests.crash_points.result_cases import embedding, training

AFTER_TEXT = ("training", "embedding", "evaluation", "adaptation", "search")

CASES: dict[str, Callable[[], AbstractContextManager[Case]]] = {
    "ledger": ledger_of_requests,
    "download": download_onto_an_older_one,
    "takedown_folder": lambda: takedown_of_a_folder("takedown_folder", unfinished=False),
    "takedown_unfinished": lambda: takedown_of_a_folder("takedown_unfinished", unfinished=True),
    "takedown_photos": lambda: takedown_of_data("takedown_photos", *AFTER_TEXT),
    "takedown_data": lambda: takedown_of_data("takedown_data"),
    "embed": embedding,
    "train": training,
    "run_words": lambda: run_of("run_words", "+vocabulary"),
    "run_photos": lambda: run_of("run_photos", "images", "images", "text", *AFTER_TEXT),
    "run_texts": lambda: run_of("run_texts", "text", "text", *AFTER_TEXT),
    "run_training": lambda: run_of("run_training", "training", *AFTER_TEXT),
    "run_embedding": lambda: run_of("run_embedding", "embedding", *AFTER_TEXT[1:]),
    "run_scores": lambda: run_of(
        "run_scores",
        "zero_shot_scores,retrieval_scores,probe_scores,unit_inference",
        *AFTER_TEXT[2:],
    ),
    "run_adaptation": lambda: run_of("run_adaptation", "adaptation", "adaptation", "benchmark_report"),
    "run_search": lambda: run_of("run_search", "search", "search"),
    "run_report": lambda: run_of("run_report", "benchmark_report", "benchmark_report"),
}
"""A run is walked stage by stage: each begins with what the stages before it left, so that no point waits for what comes long after it."""
