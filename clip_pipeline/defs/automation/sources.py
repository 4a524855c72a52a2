"""The sources as nodes of Dagster's graph, which can be observed, and the events that say how they are."""

from collections.abc import Iterator

import dagster as dg

from clip_pipeline.defs.page.described import GROUPS
from clip_pipeline.defs.page.run_log import package_lines_in
from clip_pipeline.defs.page.sentences import page_failure
from clip_pipeline.defs.resources import PipelineResource
from clip_pipeline.errors import ClipPipelineError
from clip_pipeline.pipeline.sources.declared import SOURCES
from clip_pipeline.pipeline.sources.source import Source, SourceState

DAILY = "0 4 * * *"
"""When the mirror is asked for a newer dump, once the sensor `automation` is started."""

DATA_VERSION = "dagster/data_version"


def source_event(name: str, state: SourceState) -> dg.AssetObservation:
    """The observation of a source as it is."""
    return dg.AssetObservation(name, metadata=dict(state.shown), tags={DATA_VERSION: state.version})


def same_state(last: dg.AssetObservation | None, state: SourceState) -> bool:
    """Whether the last observation of a source says what there is to say."""
    if last is None or last.tags.get(DATA_VERSION) != state.version:
        return False
    return {name: value.value for name, value in last.metadata.items()} == dict(state.shown)


def last_observation(instance: dg.DagsterInstance, name: str) -> dg.AssetObservation | None:
    """What Dagster knows of a source."""
    for record in instance.fetch_observations(dg.AssetKey(name), limit=1).records:
        return record.asset_observation
    return None


def _source_asset(source: Source) -> dg.AssetsDefinition:
    spec = dg.AssetSpec(
        source.name,
        description=_description(source),
        group_name=GROUPS[source.stage],
        kinds=set(source.kinds),
        owners=["team:data"],
        tags={"stage": source.stage, "source": "yes"},
        automation_condition=dg.AutomationCondition.on_cron(DAILY) if source.ask else None,
    )

    @dg.multi_observable_source_asset(name=f"observe_{source.name}", specs=[spec], required_resource_keys={"pipeline"})
    def body(context: dg.AssetExecutionContext) -> Iterator[dg.ObserveResult]:
        pipeline: PipelineResource = context.resources.pipeline
        try:
            with package_lines_in(context.log), pipeline.workspace() as workspace:
                if source.ask:
                    source.ask(workspace)
                state = source.look(workspace)
        except ClipPipelineError as error:
            raise page_failure(error, allow_retries=False) from error
        yield dg.ObserveResult(
            asset_key=source.name, data_version=dg.DataVersion(state.version), metadata=dict(state.shown)
        )

    return body


def _description(source: Source) -> str:
    asks = "Observing it asks the mirror; the rest of the time the last answer counts." if source.ask else ""
    return f"{source.about}\n\n**A source**: it is looked at and never built. {asks}".rstrip()


SOURCE_ASSETS = [_source_asset(source) for source in SOURCES.values()]
