"""The checks of `pipeline/checks/` as Dagster shows them beside their assets: by partition where the asset has partitions."""

from collections.abc import Iterator

import dagster as dg

from clip_pipeline.defs.mirror.check_events import check_evaluation
from clip_pipeline.defs.page.run_log import package_lines_in
from clip_pipeline.defs.partitions import definition_of
from clip_pipeline.defs.resources import PipelineResource
from clip_pipeline.pipeline.checks.evaluate import checks_of, evaluate
from clip_pipeline.pipeline.checks.integrity import CHECKS as PIPELINE_CHECKS
from clip_pipeline.pipeline.partitions import partition_keys
from clip_pipeline.pipeline.stages import artifact_key, find_asset
from clip_pipeline.pipeline.workspace import Workspace


def _dagster_checks(asset: str) -> dg.AssetChecksDefinition:
    """All checks of an asset in one step: a process each would take seconds, a check takes milliseconds."""
    checks = checks_of(asset)
    partitions = definition_of(find_asset(asset))
    specs = {
        check.name: dg.AssetCheckSpec(
            check.name, asset=asset, description=check.about, blocking=check.blocking, partitions_def=partitions
        )
        for check in checks
    }

    @dg.multi_asset_check(name=f"{asset}_checks", specs=list(specs.values()), can_subset=True)
    def body(
        context: dg.AssetCheckExecutionContext, pipeline: PipelineResource
    ) -> Iterator[dg.Output | dg.AssetCheckEvaluation]:
        with package_lines_in(context.log), pipeline.workspace() as workspace:
            keys = _partitions_of_run(context, workspace, asset)
            for check in checks:
                spec = specs[check.name]
                if spec.key not in context.selected_asset_check_keys:
                    continue
                yield dg.Output(None, output_name=spec.get_python_identifier())
                # Events, not results: a result has no partition where a run takes a range of them (Dagster 1.13.27).
                for key in keys:
                    yield check_evaluation(context.instance, evaluate(workspace, check, artifact_key(asset, key)))

    return body


def _partitions_of_run(context: dg.AssetCheckExecutionContext, workspace: Workspace, asset: str) -> list[str]:
    """Those of the run; all that were built where checks are executed alone, which Dagster does without partitions (1.13.27)."""
    if context.has_partition_key or context.has_partition_key_range:
        return [str(key) for key in context.partition_keys]
    keys = partition_keys(workspace, find_asset(asset))
    return [key for key in keys if workspace.store.find(artifact_key(asset, key))]


CHECKS = [_dagster_checks(asset) for asset in dict.fromkeys(check.asset for check in PIPELINE_CHECKS)]
