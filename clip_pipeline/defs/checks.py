"""The checks of `pipeline/checks/integrity.py` as Dagster shows them beside their assets."""

import dagster as dg

from clip_pipeline.defs.resources import PipelineResource
from clip_pipeline.pipeline.checks.integrity import CHECKS as PIPELINE_CHECKS
from clip_pipeline.pipeline.checks.integrity import Check


def _dagster_check(check: Check) -> dg.AssetChecksDefinition:
    @dg.asset_check(name=check.name, asset=check.asset, description=check.about, blocking=check.blocking)
    def body(pipeline: PipelineResource) -> dg.AssetCheckResult:
        with pipeline.workspace() as workspace:
            outcome = check.function(workspace)
        return dg.AssetCheckResult(
            passed=outcome.passed,
            severity=dg.AssetCheckSeverity.ERROR if check.blocking else dg.AssetCheckSeverity.WARN,
            description=outcome.found,
            metadata=outcome.numbers,
        )

    return body


CHECKS = [_dagster_check(check) for check in PIPELINE_CHECKS]
