"""The assets of the stage `language`, in the order of the flow. Trainings take hours, so that all three run when asked for by name."""

from __future__ import annotations

import clip_pipeline.records as records
from clip_pipeline.pipeline.asset import Asset, Figures, Partitions, StoredTable

LANGUAGE = (
    Asset(
        name="character_corpus",
        stage="language",
        about="A text of a to z and spaces by text8's rules, its splits, and the bits that tables of counts and compressors need; runs when asked for by name.",
        code_version="1",
        kinds=("text",),
        owner="models",
        after=("wikipedia_dump",),
        key_facts=("characters", "best table of counts, bits per character"),
        on_request=True,
    ),
    Asset(
        name="character_model",
        stage="language",
        about="A language model of characters, pooled or not, with its log; runs when asked for by name.",
        code_version="1",
        kinds=("pytorch",),
        owner="models",
        after=("character_corpus",),
        partitions=Partitions.LANGUAGE_MODELS,
        pool="accelerator",
        partitions_per_run=4,
        on_request=True,
    ),
    Asset(
        name="language_scores",
        stage="language",
        about="Bits per character of every model with intervals, beside tables of counts and compressors; runs when asked for by name.",
        code_version="2",
        kinds=("parquet", "image"),
        owner="models",
        after=("character_corpus", "character_model"),
        pool="accelerator",
        columns=records.LANGUAGE_SCORES_COLUMNS,
        preview=(
            StoredTable(
                "scores.parquet",
                "scores",
                ("key", "split", "bits_per_character", "low", "high", "shortening", "less_than_table"),
            ),
            Figures(("bits.png", "times.png", "segments.png")),
        ),
        on_request=True,
    ),
)
