"""Training: the checkpoint."""

from clip_pipeline.defs.asset import pipeline_asset

clip_checkpoint = pipeline_asset("clip_checkpoint", kinds={"pytorch", "openclip"}, owner="models", pool="accelerator")
