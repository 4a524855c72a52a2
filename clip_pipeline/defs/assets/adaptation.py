"""Adaptation: the shared data, every trial of the sweep, the curves."""

from clip_pipeline.defs.asset import pipeline_asset

adaptation_data = pipeline_asset("adaptation_data", kinds={"numpy", "parquet"}, owner="models")
adaptation_scores = pipeline_asset("adaptation_scores", kinds={"pytorch"}, owner="models", pool="accelerator")
adaptation_curves = pipeline_asset("adaptation_curves", kinds={"image", "csv"}, owner="models")
