"""Makes a Dagster asset of a step of the pipeline."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
from pydantic import Field

from clip_pipeline.defs.described import described
from clip_pipeline.defs.metadata import artifact_metadata, observation
from clip_pipeline.defs.own_process import in_own_process
from clip_pipeline.defs.partitions import definition_of, partition_mapping, register_partitions
from clip_pipeline.defs.resources import LaunchConfig, PipelineResource, data_folder, starting_recipe, with_speed
from clip_pipeline.defs.run_log import package_lines_in
from clip_pipeline.defs.sentences import page_failure
from clip_pipeline.errors import ClipPipelineError, InputError, SettingsError, SourceError
from clip_pipeline.pipeline.asset import Asset
from clip_pipeline.pipeline.assets import ASSETS
from clip_pipeline.pipeline.partitions import partition_keys
from clip_pipeline.pipeline.stages import find_asset
from clip_pipeline.pipeline.step import Step
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.storage.artifacts import Materialised
from clip_pipeline.storage.disk import hash_json

NETWORK_RETRIES = dg.RetryPolicy(max_retries=3, delay=10, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.FULL)


class RunSettings(LaunchConfig):
    """Set in the launchpad for one run of one asset."""

    force: bool = Field(False, description="Build the artifact again although it is fresh.")


def pipeline_asset(step: Step) -> dg.AssetsDefinition:
    """The Dagster asset of one step, as it is declared in `pipeline/assets.py`."""
    asset = step.asset
    partitions = definition_of(asset)
    settings = with_speed(RunSettings, step.builder.speed, starting_recipe())

    @dg.asset(
        name=asset.name,
        deps=[dg.AssetDep(name, partition_mapping=partition_mapping(find_asset(name), asset)) for name in asset.after],
        **described(step, Workspace(data_folder(), starting_recipe())),
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run() if partitions else None,
        code_version=_code_version(step),
        retry_policy=NETWORK_RETRIES if asset.pool == "network" else None,
        pool=asset.pool,
    )
    def body(
        context: dg.AssetExecutionContext,
        config: settings,  # type: ignore[valid-type]
        pipeline: PipelineResource,
    ) -> Iterator[dg.MaterializeResult]:
        keys = list(context.partition_keys) if context.has_partition_key or context.has_partition_key_range else [""]
        with package_lines_in(context.log), pipeline.workspace(config.given()) as workspace:
            outcomes = _materialise(context, step, workspace, keys, config.force)
            _register_keys(context.instance, asset, workspace)
        if len(outcomes) == 1:
            (outcome,) = outcomes.values()
            yield dg.MaterializeResult(
                metadata=artifact_metadata(outcome), data_version=dg.DataVersion(outcome.artifact.content)
            )
            return
        for key, outcome in outcomes.items():
            context.add_asset_metadata(artifact_metadata(outcome), partition_key=key)
        # One result stands for all partitions of a batched run; Dagster works out their data versions itself.
        yield dg.MaterializeResult()

    return body


def _materialise(
    context: dg.AssetExecutionContext, step: Step, workspace: Workspace, keys: list[str], force: bool
) -> dict[str, Materialised]:
    def show(*shown: Any) -> None:
        context.log_event(observation(*shown))

    def say(outcome: Materialised) -> None:
        state = "cache: hit" if outcome.hit else f"built ({outcome.reason})"
        context.log.info(f"{outcome.artifact.key}: {state}, {outcome.seconds:.1f} s, {outcome.artifact.rows}")

    try:
        return in_own_process(step, context).materialise_all(workspace, keys, force, show, say)
    except (InputError, SettingsError, SourceError) as error:
        raise page_failure(error, allow_retries=False) from error
    except ClipPipelineError as error:
        raise page_failure(error) from error


def _register_keys(instance: dg.DagsterInstance, asset: Asset, workspace: Workspace) -> None:
    """The partitions that are known now that the asset is there."""
    for follower in ASSETS:
        if asset.makes and follower.partitions == asset.makes:
            register_partitions(instance, follower, partition_keys(workspace, follower))


def _code_version(step: Step) -> str:
    """The step's code version and a hash of the settings that decide its bytes: Dagster shows either's change."""
    config = step.builder.config(Workspace("data", starting_recipe()))
    return f"{step.asset.code_version}-{hash_json(dict(config))[:8]}"
