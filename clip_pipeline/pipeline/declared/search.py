"""The assets of the stage `search`, in the order of the flow."""

from __future__ import annotations

import clip_pipeline.records as records
from clip_pipeline.pipeline.asset import Asset, Partitions, StoredTable

SEARCH = (
    Asset(
        name="search_index",
        stage="search",
        about="All photos to be searched with a model: vectors and their codes, facts, words, and what a score means.",
        code_version="1",
        kinds=("numpy", "parquet"),
        owner="models",
        after=("image_shards", "image_text_pairs", "clip_checkpoint", "shard_embeddings"),
        partitions=Partitions.VARIANTS,
        pool="accelerator",
        columns=records.SEARCH_FACTS_COLUMNS,
        preview=(StoredTable("facts.parquet", "photos", ("id", "captions", "split", "licence", "attribution")),),
        key_facts=(
            *("found or absent, AUC by above_captions", "found or absent, AUC by cosine"),
            *("strong, share that fit", "likely, share that fit", "weak, share that fit"),
        ),
        holds_photos=True,
        completes=("shard_embeddings",),
        partitions_per_run=4,
    ),
)
