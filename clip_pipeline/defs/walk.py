"""Several assets with different partitions in one run: an op an asset, chained as the assets are.

A Dagster asset job cannot hold dynamic parts, word buckets and shards at once. Here each op walks its asset as the command line
does and reports each artifact as it is done. Its pool holds; after a failure everything that does not depend on it goes on, and
"Retry from failure" begins with the ops that failed. Why so: `docs/decisions/0022-checks-and-jobs.md`.
"""

import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import dagster as dg
from pydantic import Field

from clip_pipeline.defs.check_events import check_evaluation
from clip_pipeline.defs.history import History
from clip_pipeline.defs.own_process import in_own_process
from clip_pipeline.defs.page.metadata import artifact_metadata, observation
from clip_pipeline.defs.page.run_log import package_lines_in
from clip_pipeline.defs.page.sentences import page_failure, page_sentence
from clip_pipeline.defs.resources import ALL_SPEED, LaunchConfig, PipelineResource, starting_recipe, with_speed
from clip_pipeline.errors import ClipPipelineError, SettingsError, error_sentence
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
from clip_pipeline.pipeline.stages import artifact_key
from clip_pipeline.pipeline.step import Step
from clip_pipeline.storage.artifacts import Materialised

CHOICE = "choose"
"""The op whose configuration says what the run does."""

EXECUTOR = dg.in_process_executor.configured({"step_dependency_config": {"require_upstream_step_success": False}})
"""All ops in the process of the run: one of its own takes seconds to start, which a hit does not (0.4 s an op so, 2026-12-01). An op
begins when those before it have said what cannot be used, also where they then fail."""

Asked = dict[str, Any]
"""What a run was asked for, handed from op to op: selected, forced, given (settings by their full names), variants; and withheld,
rows of (asset, partition, reason). A dictionary of plain values, for it is kept for a retry."""


Steps = Mapping[str, Step]


class WalkSettings(LaunchConfig):
    """Which assets to walk through."""

    select: str = Field(
        "",
        description="Assets separated by commas; +name adds all before it, name+ all after it. Empty: all of the job.",
    )
    force: str = Field("", description="Assets, separated by commas, that are built again although they are fresh.")
    variants: list[str] = Field([], description="Only these training variants. Empty: all that there are.")
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


@dg.op(name=CHOICE, out=dg.Out(dict))
def choose(context: dg.OpExecutionContext, config: LaunchedWalk, pipeline: PipelineResource) -> Asked:  # type: ignore[valid-type]
    """Reads what is to be built, and with what. A wrong name fails here, before anything is built."""
    asked: WalkSettings = config
    built_here = [name for name in STEPS if context.job_def.has_node_named(op_name(name))]
    try:
        chosen = [step.name for step in select(asked.select)]
        forced = [step.name for step in select(asked.force)] if asked.force else []
        others = [name for name in chosen if name not in built_here] if asked.select else []
        if others:
            raise SettingsError(f"The job {context.job_name} does not build {', '.join(others)}; run_pipeline does.")
        if asked.newest:
            _ask_newest(context, pipeline)
    except ClipPipelineError as error:
        raise page_failure(error, allow_retries=False) from error
    selected = [name for name in built_here if name in chosen]
    context.log.info(f"To build, where it is not fresh: {', '.join(selected)}")
    return {
        "selected": selected,
        "forced": forced,
        "given": asked.given(),
        "variants": list(asked.variants),
        "withheld": [],
    }


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
        ins={"before": dg.In(list)},
        out=dg.Out(dict),
        pool=step.asset.pool,
        tags={"dagster/priority": str(-place)},  # in the order of the flow, where the graph leaves a choice
    )
    def body(context: dg.OpExecutionContext, before: list, pipeline: PipelineResource) -> Iterator[dg.Output]:
        asked = _joined(before)
        if step.name not in asked["selected"]:
            yield dg.Output(asked)
            return
        outcomes = _walk(context, step, pipeline, asked)
        yield dg.Output(asked)
        try:
            raise_failures(outcomes)
        except ClipPipelineError as error:
            raise page_failure(error, allow_retries=False) from error

    return body


def _joined(before: Sequence[Asked]) -> Asked:
    """What was asked for, and what none of the ops before could give."""
    withheld = {(asset, partition): reason for asked in before for asset, partition, reason in asked["withheld"]}
    return {**before[0], "withheld": [[*key, reason] for key, reason in withheld.items()]}


def _walk(context: dg.OpExecutionContext, step: Step, pipeline: PipelineResource, asked: Asked) -> list[AssetOutcome]:
    """Materialises and checks the asset, reports it, and adds to `asked` what is not to be used of it."""

    def show(*shown: Any) -> None:
        context.log_event(observation(*shown))

    say = progress_lines(context.log.info)

    def tell(done: PartitionDone) -> None:
        say(done)
        if done.materialised is not None and not done.materialised.hit:
            context.log_event(_materialization(history, step, done.materialised))
        if done.error is not None:
            context.log.error(f"{step.key(done.partition)}: {error_sentence(done.error, page_sentence)}")

    with package_lines_in(context.log), pipeline.workspace(asked["given"], asked["variants"]) as workspace:
        history = History(context.instance, workspace, context.log_event)  # type: ignore[arg-type]  # checks are taken too, see `_tell_rest`
        for asset, partition, reason in asked["withheld"]:
            workspace.withhold(artifact_key(asset, partition), reason)
        outcomes = walk(
            workspace,
            [in_own_process(step, context)],
            force=step.name in asked["forced"],
            on_progress=show,
            on_partition=tell,
        )
        for outcome in outcomes:
            _tell_rest(context, history, step, outcome)
        history.mirror(_followers(step, asked["selected"]))
        asked["withheld"] = [[key.asset, key.partition, reason] for key, reason in workspace.withheld().items()]
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
