"""Jobs that take several assets with different partitions through one run.

A Dagster asset job cannot hold dynamic parts, word buckets and shards at once. These jobs have one step that walks the same
graph as the command line and reports each artifact as a materialisation of its asset.
"""

from typing import Any

import dagster as dg
from pydantic import Field

from clip_pipeline.defs.checks import check_evaluation
from clip_pipeline.defs.history import History
from clip_pipeline.defs.metadata import observation
from clip_pipeline.defs.own_process import in_own_process
from clip_pipeline.defs.resources import ALL_SPEED, LaunchConfig, PipelineResource, starting_recipe, with_speed
from clip_pipeline.defs.run_log import package_lines_in
from clip_pipeline.defs.sentences import page_failure
from clip_pipeline.errors import ClipPipelineError
from clip_pipeline.pipeline.graph import STEPS, select
from clip_pipeline.pipeline.outcomes import AssetOutcome
from clip_pipeline.pipeline.run import run_steps


class WalkSettings(LaunchConfig):
    """Which assets to walk through."""

    select: str = Field(
        "", description="Assets separated by commas; +name adds all before it, name+ all after it. Empty: all."
    )
    force: str = Field("", description="Assets, separated by commas, that are built again although they are fresh.")


LaunchedWalk = with_speed(WalkSettings, ALL_SPEED, starting_recipe())


@dg.op
def walk_pipeline(context: dg.OpExecutionContext, config: LaunchedWalk, pipeline: PipelineResource) -> None:  # type: ignore[valid-type]
    """Materialises the selected assets in the order of the flow."""
    forced = set(filter(None, config.force.split(",")))

    def tell(outcome: AssetOutcome) -> None:
        context.log.info(f"{outcome.asset}: {outcome.built} built, {outcome.hits} cache: hit, {outcome.seconds:.1f} s")
        history.tell(STEPS[outcome.asset], outcome.partitions)
        for result in outcome.checks:
            # Dagster takes these too (1.13.27); only the annotation does not say so.
            context.log_event(check_evaluation(context.instance, result))  # type: ignore[arg-type]

    def show(*shown: Any) -> None:
        context.log_event(observation(*shown))

    try:
        with package_lines_in(context.log), pipeline.workspace(config.given()) as workspace:
            history = History(context.instance, workspace, context.log_event)
            for step in select(config.select):
                run_steps(
                    workspace,
                    [in_own_process(step, context)],
                    force=step.name in forced,
                    on_progress=show,
                    on_done=tell,
                )
    except ClipPipelineError as error:
        raise page_failure(error, allow_retries=False) from error


def _walk(name: str, description: str, selection: str, forced: str = "") -> dg.JobDefinition:
    config = {"ops": {"walk_pipeline": {"config": {"select": selection, "force": forced}}}}

    @dg.job(name=name, description=description, config=config)
    def job() -> None:
        walk_pipeline()

    return job


run_pipeline = _walk("run_pipeline", "The whole graph, end to end; fresh artifacts are reused.", "")
refresh_words = _walk(
    "refresh_words", "The newest dump, its words and the vocabulary.", "words", forced="wikipedia_dump"
)
refresh_links = _walk(
    "refresh_links", "The photos of every word, asked for again, and the catalog.", "image_links,photo_catalog",
    forced="image_links",
)  # fmt: skip
evaluate_checkpoint = _walk(
    "evaluate_checkpoint", "Embeddings, scores and report of the checkpoint.", "embedding,evaluation,adaptation"
)

JOBS = [run_pipeline, refresh_words, refresh_links, evaluate_checkpoint]
