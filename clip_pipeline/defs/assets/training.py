"""Training: the images and the checkpoint."""

from clip_pipeline.defs.asset import pipeline_asset

decoded_images = pipeline_asset("decoded_images", kinds={"numpy", "image"}, owner="models")
clip_checkpoint = pipeline_asset("clip_checkpoint", kinds={"pytorch", "openclip"}, owner="models", pool="accelerator")
