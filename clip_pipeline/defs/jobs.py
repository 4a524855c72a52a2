"""The jobs: the whole graph, and the parts of it that schedules and sensors start."""

from dagster import JobDefinition

from clip_pipeline.defs.automation.damage import verify_data
from clip_pipeline.defs.page.described import REQUEST_JOBS
from clip_pipeline.defs.walk import walk_job

run_pipeline = walk_job("run_pipeline", "The whole graph, end to end; fresh artifacts are reused.")
refresh_words = walk_job(
    "refresh_words", "Asks the mirror for a newer dump, and brings words, links, photos and pairs up to date.",
    "+image_text_pairs", newest=True,
)  # fmt: skip
refresh_links = walk_job(
    "refresh_links", "Searches the words that were never asked for, and brings photos and pairs up to date.",
    "+image_text_pairs",
)  # fmt: skip
train = walk_job("train", "Trains, with all that a training reads.", "+clip_checkpoint")
evaluate_checkpoint = walk_job(
    "evaluate_checkpoint",
    "Embeddings, scores, adaptation, report and search index of a checkpoint.",
    "embedding,evaluation,adaptation,search",
)


def _request_job(name: str, description: str) -> JobDefinition:
    """Of the assets that "Materialize all" passes by, those that the job is for, as `REQUEST_JOBS` says."""
    asked = ",".join(asset for asset, job in REQUEST_JOBS.items() if job == name)
    return walk_job(name, description, asked)


language_models = _request_job(
    "language_models",
    "The characters of the dump, the language models of the recipe's language.models, and their bits per character: hours. In the launchpad, "
    "partitions trains some of them.",
)
measure_parallelism = _request_job(
    "measure_parallelism",
    "How fast photos are embedded with one to many processes and threads on this machine: minutes.",
)

JOBS = [
    run_pipeline,
    refresh_words,
    refresh_links,
    train,
    evaluate_checkpoint,
    language_models,
    measure_parallelism,
    verify_data,
]
