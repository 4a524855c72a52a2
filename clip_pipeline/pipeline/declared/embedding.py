"""The assets of the stage `embedding`, in the order of the flow."""

from __future__ import annotations

import clip_pipeline.records as records
from clip_pipeline.pipeline.asset import Asset, Figures, Partitions

EMBEDDING = (
    Asset(
        name="embedding_runtime",
        stage="embedding",
        about="What runs the image encoder: the fastest here whose vectors agree with fp32 on the user's own photos.",
        code_version="1",
        kinds=("json",),
        owner="models",
        after=("benchmark_dataset", "clip_checkpoint"),
        partitions=Partitions.VARIANTS,
        pool="accelerator",
        preview=(Figures(("runtimes.png",)),),
        partitions_per_run=4,
    ),
    Asset(
        name="image_embeddings",
        stage="embedding",
        about="Unit vectors of a dataset's photos, float16, with the id of every row.",
        code_version="3",
        kinds=("pytorch", "numpy"),
        owner="models",
        after=("benchmark_dataset", "clip_checkpoint", "embedding_runtime"),
        partitions=Partitions.DATASETS_BY_VARIANT,
        pool="accelerator",
        holds_photos=True,
        partitions_per_run=10,
    ),
    Asset(
        name="text_embeddings",
        stage="embedding",
        about="Unit vectors of a dataset's class prompts or captions.",
        code_version="3",
        kinds=("pytorch", "numpy"),
        owner="models",
        after=("benchmark_dataset", "clip_checkpoint"),
        partitions=Partitions.DATASETS_BY_VARIANT,
        pool="accelerator",
        holds_photos=True,
        partitions_per_run=10,
    ),
    Asset(
        name="parallelism_benchmark",
        stage="embedding",
        about="Photos a second, scaling efficiency and memory over processes × threads; runs when asked for by name.",
        code_version="1",
        kinds=("parquet",),
        owner="models",
        after=("benchmark_dataset", "clip_checkpoint", "embedding_runtime"),
        partitions=Partitions.VARIANTS,
        pool="accelerator",
        columns=records.PARALLELISM_COLUMNS,
        preview=(Figures(("parallelism.png",)),),
        on_request=True,
    ),
)
