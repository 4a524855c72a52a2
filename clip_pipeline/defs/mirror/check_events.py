"""What a check found, as an event of Dagster."""

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationTargetMaterializationData,  # the one class of an event that Dagster exports nowhere
)

from clip_pipeline.pipeline.checks.evaluate import CheckResult

OUTSIDE_OF_RUNS = "data_folder"
"""Stands in the place of the id of a run in events of checks that no run of Dagster's evaluated."""


def report_check(instance: dg.DagsterInstance, evaluation: dg.AssetCheckEvaluation) -> None:
    """Reports a check outside of a run, in the place of the evaluation before it.

    Dagster's own `report_runless_asset_event` takes one evaluation of a check and a partition for ever, and fails at the second
    (1.13.27: the id of no run and the partition are a unique key); under the id of a run it replaces the first.
    """
    event = dg.DagsterEvent(
        dg.DagsterEventType.ASSET_CHECK_EVALUATION.value, job_name=OUTSIDE_OF_RUNS, event_specific_data=evaluation
    )
    instance.report_dagster_event(event, run_id=OUTSIDE_OF_RUNS)


def check_evaluation(instance: dg.DagsterInstance, result: CheckResult) -> dg.AssetCheckEvaluation:
    """The event of one check of one artifact. It is said of the newest materialisation that the instance has of it."""
    partition = result.key.partition or None
    return dg.AssetCheckEvaluation(
        asset_key=dg.AssetKey(result.check.asset),
        check_name=result.check.name,
        passed=result.outcome.passed,
        metadata={
            name: dg.MetadataValue.float(value) if isinstance(value, float) else value
            for name, value in result.outcome.numbers.items()
        },
        severity=dg.AssetCheckSeverity.ERROR if result.check.blocking else dg.AssetCheckSeverity.WARN,
        description=result.outcome.found,
        blocking=result.check.blocking,
        partition=partition,
        target_materialization_data=_newest_materialization(instance, result.check.asset, partition),
    )


def _newest_materialization(
    instance: dg.DagsterInstance, asset: str, partition: str | None
) -> AssetCheckEvaluationTargetMaterializationData | None:
    records = dg.AssetRecordsFilter(dg.AssetKey(asset), asset_partitions=[partition] if partition else None)
    for record in instance.fetch_materializations(records, limit=1).records:
        return AssetCheckEvaluationTargetMaterializationData(
            run_id=record.run_id, storage_id=record.storage_id, timestamp=record.timestamp
        )
    return None
