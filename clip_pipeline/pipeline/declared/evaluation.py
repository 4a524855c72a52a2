"""The assets of the stage `evaluation`, in the order of the flow."""

from __future__ import annotations

import clip_pipeline.records as records
from clip_pipeline.pipeline.asset import Asset, Figures, Partitions, Scores

EVALUATION = (
    Asset(
        name="zero_shot_scores",
        stage="evaluation",
        about="Top-1, top-5 and mean per-class recall of labelled datasets, with intervals and every prediction.",
        code_version="5",
        kinds=("json",),
        owner="evaluation",
        after=("benchmark_dataset", "image_embeddings", "text_embeddings"),
        partitions=Partitions.DATASETS_BY_VARIANT,
        columns=records.SCORES_COLUMNS,
        preview=(Scores(),),
        holds_photos=True,
    ),
    Asset(
        name="retrieval_scores",
        stage="evaluation",
        about="Recall at 1, 5 and 10, text to image and image to text, with intervals and every result.",
        code_version="4",
        kinds=("json",),
        owner="evaluation",
        after=("benchmark_dataset", "image_embeddings", "text_embeddings"),
        partitions=Partitions.DATASETS_BY_VARIANT,
        columns=records.SCORES_COLUMNS,
        preview=(Scores(),),
        holds_photos=True,
    ),
    Asset(
        name="probe_scores",
        stage="evaluation",
        about="Linear, MLP and few-shot probes on the embeddings: official splits, or each split in halves.",
        code_version="5",
        kinds=("json",),
        owner="evaluation",
        after=("benchmark_dataset", "image_embeddings"),
        partitions=Partitions.DATASETS_BY_VARIANT,
        columns=records.SCORES_COLUMNS,
        preview=(Scores(),),
        holds_photos=True,
    ),
    Asset(
        name="unit_inference",
        stage="evaluation",
        about="How long one photo and one text take, batch 1: decoding, both encoders, and from a photo to an answer.",
        code_version="1",
        kinds=("pytorch", "csv"),
        owner="evaluation",
        after=("clip_checkpoint",),
        partitions=Partitions.VARIANTS,
        pool="accelerator",
        preview=(Figures(("latencies.png",)),),
        key_facts=("photo to answer (ms, median)",),
        partitions_per_run=4,
    ),
)
