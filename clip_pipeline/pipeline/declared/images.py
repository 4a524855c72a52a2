"""The assets of the stage `images`, in the order of the flow."""

from __future__ import annotations

import clip_pipeline.records as records
from clip_pipeline.images.download.reuse import SHARDS_VERSION
from clip_pipeline.pipeline.asset import Asset, ContactSheet, Partitions, StoredTable

IMAGES = (
    Asset(
        name="image_links",
        stage="images",
        about="One row per word and photo found for it, with the pages of the search beside it.",
        code_version="4",
        kinds=("unsplash", "parquet"),
        owner="data",
        after=("vocabulary",),
        sources=("photo_source", "search_budget"),
        partitions=Partitions.WORD_BUCKETS,
        pool="network",
        columns=records.IMAGE_LINKS_COLUMNS,
        preview=(StoredTable("links.parquet", "links", ("word", "rank", "id", "captions", "width", "height")),),
        repeated_facts=("links",),  # those of all buckets, for photos of the user's own
        partitions_per_run=8,
    ),
    Asset(
        name="photo_catalog",
        stage="images",
        about="One row a photo: captions, words, licence, attribution and the shard it belongs to.",
        code_version="3",
        kinds=("parquet",),
        owner="data",
        after=("image_links",),
        sources=("photo_source", "takedown_list"),
        makes=Partitions.SHARDS,
        columns=records.PHOTO_CATALOG_COLUMNS,
        preview=(
            StoredTable("photos.parquet", "photos", ("key", "id", "captions", "words", "licence", "attribution")),
        ),
        holds_photos=True,
    ),
    Asset(
        name="image_shards",
        stage="images",
        about="Photos as webdataset tars, with the status of every photo that was tried.",
        code_version=SHARDS_VERSION,
        kinds=("webdataset", "jpeg"),
        owner="data",
        after=("photo_catalog",),
        sources=("photo_source",),
        partitions=Partitions.SHARDS,
        pool="network",
        columns=records.SHARD_ATTEMPTS_COLUMNS,
        preview=(ContactSheet("tried"),),
        repeated_facts=("count", "successes", "shard"),
        holds_photos=True,
    ),
    Asset(
        name="image_text_pairs",
        stage="images",
        about="Valid pairs of photo and caption, split so that near-duplicates stay on one side.",
        code_version="6",
        kinds=("parquet", "csv"),
        owner="data",
        after=("photo_catalog", "image_shards"),
        columns=records.IMAGE_TEXT_PAIRS_COLUMNS,
        preview=(StoredTable("pairs.parquet", "pairs", ("photo_id", "caption", "split", "group", "width", "height")),),
        holds_photos=True,
        completes=("image_shards",),
        pool="network",
    ),
    Asset(
        name="benchmark_dataset",
        stage="images",
        about="Photos that no training ever sees, with labels or captions: made here, of the registry, or the user's own.",
        code_version="3",
        kinds=("webdataset",),
        owner="evaluation",
        after=("image_shards", "image_text_pairs"),
        partitions=Partitions.DATASETS,
        steps="benchmark_datasets",
        pool="network",
        holds_photos=True,
    ),
)
