"""Several assets with different partitions in one run: an op an asset, chained as the assets are.

A Dagster asset job cannot hold dynamic parts, word buckets and shards at once. Here each op walks its asset as the command line
does and reports each artifact as it is done. Its pool holds; after a failure everything that does not depend on it goes on, and
"Retry from failure" begins with the ops that failed. Why so: `docs/decisions/0022-checks-and-jobs.md`.
"""

import logging
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import dagster as dg
from pydantic import Field

from clip_pipeline.defs.load_ahead import load_ahead
from clip_pipeline.defs.mirror.check_events import check_evaluation
from clip_pipeline.defs.mirror.history import History
from clip_pipeline.defs.own_process import in_own_process
from clip_pipeline.defs.page.metadata import artifact_metadata, observation
from clip_pipeline.defs.page.run_log import package_lines_in
from clip_pipeline.defs.page.sentences import page_failure, page_sentence
from clip_pipeline.defs.resources import ALL_SPEED, LaunchConfig, PipelineResource, starting_recipe, with_speed
from clip_pipeline.errors import ClipPipelineError, MissingArtifactError, SettingsError, error_sentence, nearest_name
from clip_pipeline.pipeline.checks.user_files import check_user_files
from clip_pipeline.pipeline.graph import STEPS, select
from clip_pipeline.pipeline.outcomes import (
    AssetOutcome,
    PartitionDone,
    incomplete_sentence,
    raise_failures,
    skipped_sentence,
)
from clip_pipeline.pipeline.progress_lines import progress_lines
from clip_pipeline.pipeline.retries import Patience
from clip_pipeline.pipeline.run import walk
from clip_pipeline.pipeline.sources.newest_dump import ask_newest_dump
from clip_pipeline.pipeline.step import Step
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.storage.artifacts import Materialised

CHOICE = "choose"
"""The op whose configuration says what the run does."""

EXECUTOR = dg.in_process_executor.configured({"step_dependency_config": {"require_upstream_step_success": False}})
"""All ops in the process of the run: one of its own takes seconds to start, which a hit does not (0.4 s an op so, 2026-12-01). An op
begins when those before it have said what cannot be used, also where they then fail."""

Steps = Mapping[str, Step]


class WalkSettings(LaunchConfig):
    """Which assets to walk through. Each op reads it from the run's configuration, as it does in a retry, where `choose` is not asked again;
    handed from op to op it cost a third of a run's events (96 of 289, 2026-12-01), at 10 ms each."""

    select: str = Field(
        "",
        description="Assets separated by commas; +name adds all before it, name+ all after it. Empty: all of the job.",
    )
    force: str = Field("", description="Assets, separated by commas, that are built again although they are fresh.")
    variants: list[str] = Field([], description="Only these training variants. Empty: all that there are.")
    partitions: list[str] = Field(
        [],
        description="Only these partitions, such as router@4-0; assets that have none of them are left alone. Empty: all.",
    )
    newest: bool = Field(False, description="Ask the mirror first whether it has a newer dump.")


LaunchedWalk = with_speed(WalkSettings, ALL_SPEED, starting_recipe())


def walk_job(
    name: str,
    description: str,
    selection: str = "",
    steps: Steps = STEPS,
    newest: bool = False,
) -> dg.JobDefinition:
    """A job that walks through the assets that a selection names (all for an empty one); the launchpad may narrow it.

    steps: the assets by name, in the order of the flow. newest: whether the mirror is asked for a newer dump first.
    """
    names = [step.name for step in select(selection)] if selection else list(steps)
    ops = _OPS if steps is STEPS else _asset_ops(steps)
    dependencies: dict[str, dict[str, Any]] = {CHOICE: {}}
    for asset in names:
        before = [op_name(other) for other in steps[asset].asset.after if other in names] or [CHOICE]
        dependencies[op_name(asset)] = {
            "before": dg.MultiDependencyDefinition([dg.DependencyDefinition(other) for other in before])
        }
    graph = dg.GraphDefinition(
        name=name,
        description=description,
        node_defs=[choose, *(ops[asset] for asset in names)],
        dependencies=dependencies,
    )
    config = {"ops": {CHOICE: {"config": {"newest": newest}}}}
    return graph.to_job(config=config, executor_def=EXECUTOR)


@dg.op(name=CHOICE, out=dg.Out(dg.Nothing))
def choose(context: dg.OpExecutionContext, config: LaunchedWalk, pipeline: PipelineResource) -> None:  # type: ignore[valid-type]
    """Reads what is to be built, and with what. A wrong name fails here, and a file of the user's own that cannot be read, before
    anything is built."""
    asked: WalkSettings = config
    try:
        selected = _selected(context, asked)
        others = [step.name for step in select(asked.select) if step.name not in selected] if asked.select else []
        if others:
            raise SettingsError(f"The job {context.job_name} does not build {', '.join(others)}; run_pipeline does.")
        _forced(asked)
        if asked.newest:
            _ask_newest(context, pipeline)
        with package_lines_in(context.log), pipeline.workspace(asked.given(), asked.variants) as workspace:
            _check_partitions(workspace, selected, asked.partitions)
            check_user_files(workspace, selected, variants=asked.variants)
    except ClipPipelineError as error:
        raise page_failure(error, allow_retries=False) from error
    context.log.info(f"To build, where it is not fresh: {', '.join(selected)}")


def _asked(context: dg.OpExecutionContext) -> WalkSettings:
    ops: Any = context.run_config.get("ops", {})
    return LaunchedWalk(**ops.get(CHOICE, {}).get("config", {}))


def _selected(context: dg.OpExecutionContext, asked: WalkSettings) -> list[str]:
    """The assets that the run builds, in the order of the flow."""
    built_here = [name for name in STEPS if context.job_def.has_node_named(op_name(name))]
    chosen = {step.name for step in select(asked.select)}
    if not asked.select and not chosen.intersection(built_here):
        return built_here  # a job of assets that run on request alone: who starts it asks for them
    return [name for name in built_here if name in chosen]


def _forced(asked: WalkSettings) -> list[str]:
    return [step.name for step in select(asked.force)] if asked.force else []


def _check_partitions(workspace: Workspace, selected: Collection[str], wanted: Collection[str]) -> None:
    """Raises SettingsError for a partition that none of the assets has, where theirs are known before the run."""
    if not wanted:
        return
    known: set[str] = set()
    for name in selected:
        try:
            known.update(STEPS[name].partitions(workspace))
        except MissingArtifactError:
            return  # an asset before it says so when it is built
    for key in wanted:
        if key not in known:
            raise SettingsError(
                f'None of {", ".join(selected)} has a partition "{key}". {nearest_name(key, known - {""})}'
            )


def _ask_newest(context: dg.OpExecutionContext, pipeline: PipelineResource) -> None:
    with package_lines_in(context.log), pipeline.workspace() as workspace:
        date = Patience().try_again("The newest dump", lambda: ask_newest_dump(workspace))
    context.log.info(f"The newest dump of the mirror is of {date}." if date else "The recipe names its dump.")


def op_name(asset: str) -> str:
    """The op that builds an asset."""
    return f"build_{asset}"


def _asset_op(step: Step, place: int) -> dg.OpDefinition:
    @dg.op(
        name=op_name(step.name),
        description=step.asset.about,
        ins={"before": dg.In(dg.Nothing)},
        out=dg.Out(dg.Nothing),
        pool=step.asset.pool,
        tags={"dagster/priority": str(-place)},  # in the order of the flow, where the graph leaves a choice
    )
    def body(context: dg.OpExecutionContext, pipeline: PipelineResource) -> Iterator[dg.Output]:
        asked = _asked(context)
        selected = _selected(context, asked)
        outcomes = _walk(context, step, pipeline, asked, selected) if step.name in selected else []
        yield dg.Output(None)
        try:
            raise_failures(outcomes)
        except ClipPipelineError as error:
            raise page_failure(error, allow_retries=False) from error

    return body


def _walk(
    context: dg.OpExecutionContext,
    step: Step,
    pipeline: PipelineResource,
    asked: WalkSettings,
    selected: Collection[str],
) -> list[AssetOutcome]:
    """Materialises and checks the asset, and reports it."""

    def show(*shown: Any) -> None:
        context.log_event(observation(*shown))

    say = progress_lines(context.log.info)

    def tell(done: PartitionDone) -> None:
        say(done)
        if done.materialised is not None and not done.materialised.hit:
            context.log_event(_materialization(history, step, done.materialised))
        if done.error is not None:
            context.log.error(f"{step.key(done.partition)}: {error_sentence(done.error, page_sentence)}")

    opened = pipeline.workspace(asked.given(), asked.variants, pipeline.withheld)
    with package_lines_in(context.log), opened as workspace:
        history = History(context.instance, workspace, context.log_event)  # type: ignore[arg-type]  # checks are taken too, see `_tell_rest`
        wanted = step.partitions(workspace) if asked.partitions else []
        keys = [key for key in wanted if key in asked.partitions]
        if asked.partitions and not keys:
            context.log.info(f"{step.name} has none of the partitions {', '.join(asked.partitions)}.")
            return []
        load_ahead(pipeline.next_child, workspace, step, [STEPS[name] for name in selected], _forced(asked))
        built_by = [in_own_process(step, context, pipeline.next_child.take)]
        outcomes = [
            outcome
            for key in keys or [""]  # "" is all
            for outcome in walk(
                workspace, built_by, key, force=step.name in _forced(asked), on_progress=show, on_partition=tell
            )
        ]
        for outcome in outcomes:
            _tell_rest(context, history, step, outcome)
        history.mirror(_followers(step, selected))
    return outcomes


def _materialization(history: History, step: Step, built: Materialised) -> dg.AssetMaterialization:
    return dg.AssetMaterialization(
        step.name,
        partition=built.artifact.key.partition or None,
        metadata=artifact_metadata(built),
        tags=history.built(step, built),
    )


def _tell_rest(context: dg.OpExecutionContext, history: History, step: Step, outcome: AssetOutcome) -> None:
    """The hits, what an earlier run left unsaid, what was skipped, and the checks."""
    history.tell(step, outcome.partitions)
    context.log.info(f"{outcome.asset}: {outcome.built} built, {outcome.hits} cache: hit, {outcome.seconds:.1f} s")
    for sentence in (skipped_sentence(outcome), incomplete_sentence([outcome])):
        if sentence:
            context.log.warning(f"{sentence}.")
    for result in outcome.checks:
        # Dagster takes these too (1.13.27); only the annotation does not say so.
        context.log_event(check_evaluation(context.instance, result))  # type: ignore[arg-type]
    for result in outcome.failed_checks + outcome.warnings:
        level = logging.ERROR if result.stops else logging.WARNING
        context.log.log(level, f"{result.name}, the check {result.check.name}: {result.outcome.found}")


def _followers(step: Step, selected: Collection[str]) -> list[Step]:
    """The assets right after this one that the run does not build: their partitions may be others now, and they may be stale."""
    makes = step.asset.makes
    after = (
        other
        for other in STEPS.values()
        if step.name in other.asset.after or (makes and other.asset.partitions == makes)
    )
    return [other for other in after if other.name not in selected]


def _asset_ops(steps: Steps) -> dict[str, dg.OpDefinition]:
    return {name: _asset_op(step, place) for place, (name, step) in enumerate(steps.items())}


_OPS = _asset_ops(STEPS)
