"""The jobs: the whole graph, and the parts of it that schedules and sensors start."""

from clip_pipeline.defs.automation.damage import verify_data
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
    "Embeddings, scores, adaptation and report of a checkpoint.",
    "embedding,evaluation,adaptation",
)

JOBS = [run_pipeline, refresh_words, refresh_links, train, evaluate_checkpoint, verify_data]
