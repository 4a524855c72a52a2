"""A new checkpoint is evaluated. Stopped until someone turns it on."""

import dagster as dg

from clip_pipeline.defs.jobs import evaluate_checkpoint


@dg.asset_sensor(
    asset_key=dg.AssetKey("clip_checkpoint"),
    job=evaluate_checkpoint,
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.STOPPED,
    description="Embeds the benchmark photos and texts with each new checkpoint and scores it.",
)
def new_checkpoint(context: dg.SensorEvaluationContext, event: dg.EventLogEntry) -> dg.RunRequest | dg.SkipReason:
    """One run a checkpoint: the same bytes are evaluated once."""
    materialization = event.asset_materialization
    content = (materialization.tags or {}).get("dagster/data_version") if materialization else None
    if content is None:
        return dg.SkipReason("The checkpoint came without a content hash.")
    return dg.RunRequest(run_key=content)


SENSORS = [new_checkpoint]
