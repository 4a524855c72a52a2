"""The assets of the stage `words`, in the order of the flow."""

from __future__ import annotations

import clip_pipeline.records as records
from clip_pipeline.pipeline.asset import Asset, Partitions, StoredTable

WORDS = (
    Asset(
        name="wikipedia_dump",
        stage="words",
        about="The Wikipedia dump: name, date, size, sha256 and the parts it is counted in.",
        code_version="2",
        kinds=("wikipedia", "xml"),
        owner="data",
        sources=("wikipedia_dump_source",),
        makes=Partitions.DUMP_PARTS,
        pool="network",
    ),
    Asset(
        name="word_counts",
        stage="words",
        about="Occurrences of every word in the article bodies of one part of the dump, and the articles it is in.",
        code_version="7",
        kinds=("parquet",),
        owner="data",
        after=("wikipedia_dump",),
        partitions=Partitions.DUMP_PARTS,
        columns=records.WORD_COUNTS_COLUMNS,
        preview=(StoredTable("counts.parquet", "words", ("word", "count", "documents", "captioned"), largest="count"),),
        partitions_per_run=10,
    ),
    Asset(
        name="vocabulary",
        stage="words",
        about="Every word that occurs more often than the threshold and passes the filters.",
        code_version="3",
        kinds=("parquet",),
        owner="data",
        after=("wikipedia_dump", "word_counts"),
        columns=records.WORD_COUNTS_COLUMNS,
        preview=(StoredTable("vocabulary.parquet", "words", ("word", "count", "documents", "captioned")),),
        repeated_facts=("dropped",),  # what was left out says it with settings and examples
        completes=("word_counts",),
    ),
)
