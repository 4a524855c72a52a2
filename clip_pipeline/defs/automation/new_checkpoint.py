"""A new checkpoint is evaluated: the very one that was seen. Stopped until someone turns it on."""

import dagster as dg

from clip_pipeline.defs.automation.run_requests import walk_request
from clip_pipeline.defs.jobs import evaluate_checkpoint
from clip_pipeline.defs.mirror.history import GONE
from clip_pipeline.defs.mirror.provenance import CODE_VERSION, DATA_VERSION

CHECKPOINT = dg.AssetKey("clip_checkpoint")
READ_AT_ONCE = 200


@dg.sensor(
    name="new_checkpoint",
    job=evaluate_checkpoint,
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.STOPPED,
    description="Embeds the benchmark photos and texts with each new checkpoint, of whatever variant, and scores it.",
)
def new_checkpoint(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    """One run for each variant and content since the last tick; the same bytes are evaluated once.

    A plain sensor with a cursor of its own: one of Dagster's for an asset sees only the last event between two ticks. Of a variant
    that was trained twice between two ticks the newer checkpoint is evaluated, for it took the other's place.
    """
    after = int(context.cursor or 0)
    wanted = dg.AssetRecordsFilter(CHECKPOINT, after_storage_id=after)
    records = context.instance.fetch_materializations(wanted, limit=READ_AT_ONCE, ascending=True).records
    newest: dict[str, str] = {}
    for record in records:
        event = record.asset_materialization
        tags = (event and event.tags) or {}
        if event and event.partition and tags.get(CODE_VERSION) != GONE and tags.get(DATA_VERSION):
            newest[str(event.partition)] = tags[DATA_VERSION]
        after = record.storage_id
    if not newest:
        return dg.SensorResult(skip_reason="No checkpoint since the last tick.", cursor=str(after))
    return dg.SensorResult(
        run_requests=[
            walk_request(f"{variant}:{content}", variants=[variant], tags={"checkpoint": content[:16]})
            for variant, content in newest.items()
        ],
        cursor=str(after),
    )
