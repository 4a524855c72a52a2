"""Embedding: photos and texts."""

from clip_pipeline.defs.asset import pipeline_asset
from clip_pipeline.defs.columns import columns
from clip_pipeline.records import PARALLELISM

embedding_runtime = pipeline_asset("embedding_runtime", kinds={"json"}, owner="models", pool="accelerator")
image_embeddings = pipeline_asset("image_embeddings", kinds={"pytorch", "numpy"}, owner="models", pool="accelerator")
text_embeddings = pipeline_asset("text_embeddings", kinds={"pytorch", "numpy"}, owner="models", pool="accelerator")
parallelism_benchmark = pipeline_asset(
    "parallelism_benchmark", kinds={"parquet"}, owner="models", columns=columns(PARALLELISM), pool="accelerator"
)
