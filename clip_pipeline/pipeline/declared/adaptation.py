"""The assets of the stage `adaptation`, in the order of the flow."""

from __future__ import annotations

from clip_pipeline.pipeline.asset import Asset, Figures, LearningCurve, Partitions, Scores

ADAPTATION = (
    Asset(
        name="adaptation_data",
        stage="adaptation",
        about="What all ways of adapting share: decoded photos, their embeddings, class vectors, nested fractions.",
        code_version="3",
        kinds=("numpy", "parquet"),
        owner="models",
        after=("benchmark_dataset", "clip_checkpoint"),
        partitions=Partitions.ADAPTED_VARIANTS,
        partitions_per_run=2,
    ),
    Asset(
        name="adaptation_scores",
        stage="adaptation",
        about="One way of adapting at one fraction of the photos: scores, predictions and losses of every seed.",
        code_version="3",
        kinds=("pytorch",),
        owner="models",
        after=("adaptation_data", "clip_checkpoint"),
        partitions=Partitions.TRIALS_BY_VARIANT,
        pool="accelerator",
        preview=(Scores(),),
        partitions_per_run=8,
    ),
    Asset(
        name="adaptation_curves",
        stage="adaptation",
        about="Learning curves of all ways of adapting with intervals, what they cost, and where accuracy falls with more data.",
        code_version="3",
        kinds=("image", "csv"),
        owner="models",
        after=("adaptation_scores",),
        partitions=Partitions.ADAPTED_VARIANTS,
        preview=(LearningCurve(), Figures(("curve.png", "alphas.png"))),
        partitions_per_run=4,
    ),
)
