"""The jobs: the whole graph, and the parts of it that schedules and sensors start."""

from clip_pipeline.defs.walk import walk_job

run_pipeline = walk_job("run_pipeline", "The whole graph, end to end; fresh artifacts are reused.")
refresh_words = walk_job(
    "refresh_words", "The newest dump, its words and the vocabulary.", "words", forced="wikipedia_dump"
)
refresh_links = walk_job(
    "refresh_links", "The photos of every word, asked for again, and the catalog.", "image_links,photo_catalog",
    forced="image_links",
)  # fmt: skip
evaluate_checkpoint = walk_job(
    "evaluate_checkpoint", "Embeddings, scores and report of a checkpoint.", "embedding,evaluation,adaptation"
)

JOBS = [run_pipeline, refresh_words, refresh_links, evaluate_checkpoint]
