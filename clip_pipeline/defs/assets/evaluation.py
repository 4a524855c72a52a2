"""Evaluation: scores and the report."""

from clip_pipeline.defs.asset import pipeline_asset
from clip_pipeline.defs.columns import columns
from clip_pipeline.records import SCORES

zero_shot_scores = pipeline_asset("zero_shot_scores", kinds={"json"}, owner="evaluation", columns=columns(SCORES))
retrieval_scores = pipeline_asset("retrieval_scores", kinds={"json"}, owner="evaluation", columns=columns(SCORES))
probe_scores = pipeline_asset("probe_scores", kinds={"json"}, owner="evaluation", columns=columns(SCORES))
unit_inference = pipeline_asset("unit_inference", kinds={"pytorch", "csv"}, owner="evaluation", pool="accelerator")
benchmark_report = pipeline_asset("benchmark_report", kinds={"markdown", "html"}, owner="evaluation")
