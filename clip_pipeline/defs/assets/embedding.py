"""Embedding: photos and texts."""

from clip_pipeline.defs.asset import pipeline_asset

image_embeddings = pipeline_asset("image_embeddings", kinds={"pytorch", "numpy"}, owner="models", pool="accelerator")
text_embeddings = pipeline_asset("text_embeddings", kinds={"pytorch", "numpy"}, owner="models", pool="accelerator")
