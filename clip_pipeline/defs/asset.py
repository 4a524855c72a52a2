"""Makes a Dagster asset of a step of the pipeline."""

from collections.abc import Iterator, Mapping

import dagster as dg

from clip_pipeline.defs.metadata import artifact_metadata, observation
from clip_pipeline.defs.partitions import MAKES_PARTITIONS_OF, PARTITIONS, partition_mapping, register_partitions
from clip_pipeline.defs.resources import PipelineResource, starting_recipe
from clip_pipeline.errors import ClipPipelineError, InputError, SettingsError, SourceError
from clip_pipeline.pipeline.graph import STEPS
from clip_pipeline.pipeline.stages import STAGE_OF, STAGES
from clip_pipeline.pipeline.step import Step
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.storage.artifacts import Materialised
from clip_pipeline.storage.disk import hash_json

GROUPS = {stage: f"{number}_{stage}" for number, stage in enumerate(STAGES, start=1)}
"""Dagster sorts groups by name: the number puts them in the order of the flow."""

NETWORK_RETRIES = dg.RetryPolicy(max_retries=3, delay=10, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.FULL)


class RunSettings(dg.Config):
    """Set in the launchpad for one run of one asset."""

    force: bool = False
    """Build the artifact again although it is fresh."""


def pipeline_asset(
    asset: str, *, kinds: set[str], owner: str, columns: dg.TableSchema | None = None, pool: str | None = None
) -> dg.AssetsDefinition:
    """The Dagster asset of one step.

    kinds: small tags on the page. owner: the team. columns: of its table. pool: "network" or "accelerator" for work
    of which only so much may go on at a time; network assets are tried again.
    """
    step = STEPS[asset]
    metadata: Mapping[str, object] = {"dagster/column_schema": columns} if columns else {}

    @dg.asset(
        name=asset,
        deps=[dg.AssetDep(name, partition_mapping=partition_mapping(name, asset)) for name in step.after],
        group_name=GROUPS[STAGE_OF[asset]],
        description=step.about,
        kinds=kinds,
        owners=[f"team:{owner}"],
        metadata=metadata,
        partitions_def=PARTITIONS.get(asset),
        backfill_policy=dg.BackfillPolicy.single_run() if asset in PARTITIONS else None,
        code_version=_code_version(step),
        retry_policy=NETWORK_RETRIES if pool == "network" else None,
        pool=pool,
    )
    def body(
        context: dg.AssetExecutionContext, config: RunSettings, pipeline: PipelineResource
    ) -> Iterator[dg.MaterializeResult]:
        keys = list(context.partition_keys) if context.has_partition_key or context.has_partition_key_range else [""]
        with pipeline.workspace() as workspace:
            workspace.show = lambda *shown: context.log_event(observation(*shown))
            outcomes = {key: _materialise(context, step, workspace, key, config.force) for key in keys}
            _tell_partitions(context.instance, asset, workspace)
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
    context: dg.AssetExecutionContext, step: Step, workspace: Workspace, key: str, force: bool
) -> Materialised:
    try:
        outcome = step.materialise(workspace, key, force)
    except (InputError, SettingsError, SourceError) as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    except ClipPipelineError as error:
        raise dg.Failure(str(error)) from error
    state = "cache: hit" if outcome.hit else f"built ({outcome.reason})"
    context.log.info(f"{outcome.artifact.key}: {state}, {outcome.seconds:.1f} s, {outcome.artifact.rows}")
    return outcome


def _tell_partitions(instance: dg.DagsterInstance, asset: str, workspace: Workspace) -> None:
    if asset in MAKES_PARTITIONS_OF:
        follower, _ = MAKES_PARTITIONS_OF[asset]
        register_partitions(instance, follower, STEPS[follower].partitions(workspace))


def _code_version(step: Step) -> str:
    """The step's code version and a hash of the settings that decide its bytes: Dagster shows either's change."""
    config = step.config(Workspace("data", starting_recipe()))
    return f"{step.code_version}-{hash_json(dict(config))[:8]}"
