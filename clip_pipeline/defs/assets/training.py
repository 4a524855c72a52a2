"""Training: the pictures and the checkpoint."""

from clip_pipeline.defs.asset import pipeline_asset

training_pictures = pipeline_asset("training_pictures", kinds={"numpy", "image"}, owner="models")
clip_checkpoint = pipeline_asset("clip_checkpoint", kinds={"pytorch", "openclip"}, owner="models", pool="accelerator")
