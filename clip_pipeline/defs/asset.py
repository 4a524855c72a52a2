"""Makes a Dagster asset of a step of the pipeline."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any, cast

import dagster as dg
from pydantic import Field

from clip_pipeline.defs.automation.conditions import CONDITIONS
from clip_pipeline.defs.automation.freshness import freshness_policy
from clip_pipeline.defs.files_ahead import check_files_ahead
from clip_pipeline.defs.mirror.check_events import check_evaluation
from clip_pipeline.defs.mirror.history import History
from clip_pipeline.defs.mirror.provenance import definition_code_version
from clip_pipeline.defs.own_process import in_own_process
from clip_pipeline.defs.page.described import described
from clip_pipeline.defs.page.metadata import artifact_metadata, observation
from clip_pipeline.defs.page.run_log import package_lines_in
from clip_pipeline.defs.page.sentences import page_failure, page_sentence
from clip_pipeline.defs.partitions import definition_of, partition_mapping
from clip_pipeline.defs.resources import LaunchConfig, PipelineResource, page_workspace, starting_recipe, with_speed
from clip_pipeline.display.counts import counts_text
from clip_pipeline.errors import ClipPipelineError, InputError, RunFailedError, SettingsError
from clip_pipeline.pipeline.asset import Asset, Partitions
from clip_pipeline.pipeline.graph import STEPS
from clip_pipeline.pipeline.outcomes import AssetOutcome, PartitionDone, failures_of, incomplete_sentence, name_of
from clip_pipeline.pipeline.partitions import halves, trial_names, variant_image_format
from clip_pipeline.pipeline.progress_lines import progress_lines
from clip_pipeline.pipeline.run import run_step
from clip_pipeline.pipeline.sources.added_keys import define_key
from clip_pipeline.pipeline.stages import find_asset
from clip_pipeline.pipeline.step import Step
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.storage.artifacts import Materialised


class RunSettings(LaunchConfig):
    """Set in the launchpad for one run of one asset."""

    force: bool = Field(False, description="Build the artifact again although it is fresh.")


def pipeline_asset(step: Step) -> dg.AssetsDefinition | dg.AssetSpec:
    """The Dagster asset of one step, as it is declared in `pipeline/declared/`.

    One that is built on request only, or that the recipe leaves out, is a node of the graph that "Materialize all" passes by.
    """
    asset, workspace = step.asset, page_workspace()
    partitions = definition_of(asset)
    declared: dict[str, Any] = {
        "deps": [
            *(dg.AssetDep(name, partition_mapping=partition_mapping(find_asset(name), asset)) for name in asset.after),
            *asset.sources,
        ],
        "partitions_def": partitions,
        "code_version": definition_code_version(step, workspace),
        **described(step, workspace),
    }
    if asset.on_request or _left_out(asset):
        return dg.AssetSpec(asset.name, **declared)
    settings = with_speed(RunSettings, step.builder.speed, starting_recipe())

    @dg.asset(
        name=asset.name,
        **declared,
        backfill_policy=dg.BackfillPolicy.multi_run(asset.partitions_per_run) if partitions else None,
        automation_condition=CONDITIONS.get(asset.name),
        freshness_policy=freshness_policy(asset.name, workspace.recipe),
        pool=asset.pool,
        output_required=False,  # a run over several partitions reports each by itself, see `_AssetRun.batch`
    )
    def body(
        context: dg.AssetExecutionContext,
        config: settings,  # type: ignore[valid-type]
        pipeline: PipelineResource,
    ) -> Iterator[dg.MaterializeResult]:
        launched = cast(RunSettings, config)
        with package_lines_in(context.log), pipeline.workspace(launched.given()) as workspace:
            run = _AssetRun(context, step, workspace, launched.force)
            try:
                check_files_ahead(context, step, workspace)
                run.complete_inputs()
                keys = list(context.partition_keys) if partitions else [""]
                names = run.named(keys)
                if len(keys) > 1 or names != keys:
                    run.batch(names)
                else:
                    yield run.one(*keys)
                run.mirror_followers()
            except ClipPipelineError as error:
                # What may pass was tried again where it happened; nothing else would be another time.
                raise page_failure(error, allow_retries=False) from error

    return body


def _left_out(asset: Asset) -> bool:
    """Whether the recipe that the page starts with has no use for the asset."""
    of_adaptation = asset.partitions in (Partitions.ADAPTED_VARIANTS, Partitions.TRIALS_BY_VARIANT)
    return of_adaptation and not trial_names(starting_recipe())


class _AssetRun:
    """What one run does for one asset."""

    def __init__(self, context: dg.AssetExecutionContext, step: Step, workspace: Workspace, force: bool):
        self._context = context
        self._step = step
        self._workspace = workspace
        self._force = force
        self._history = History(context.instance, workspace)

    def complete_inputs(self) -> None:
        """Builds what the asset reads and nobody could ask for, because its partitions were not known when the run was planned:
        "Materialize all" of an empty folder asks for no part of a dump that is not there yet. Raises RunFailedError."""
        for name in self._step.asset.completes:
            step = STEPS[name]
            missing = [key for key in self._read_partitions(step) if not self._workspace.store.find(step.key(key))]
            self._history.mirror([step])
            if missing:
                self._context.log.info(f"{len(missing)} partitions of {name} were never materialised; they come first.")
                self._build_all(step, missing, force=False)

    def named(self, keys: Sequence[str]) -> list[str]:
        """The keys by which the data folder knows what was typed on the page: `food` of `food=PATH`, which is defined with it.

        One that means nothing raises SettingsError or DatasetError where it is alone. Among others it is said why, and it stays: it
        fails by itself and stops no other.
        """
        names = []
        for key in keys:
            typed = self._step.asset.partitions == Partitions.DATASETS and ("/" in key or "=" in key)
            try:
                names.append(define_key(self._workspace, Partitions.DATASETS, key) if typed else key)
            except ClipPipelineError as error:
                if len(keys) == 1:
                    raise
                self._context.log.error(f"{name_of(self._step.name, key)}: {page_sentence(error)}")
                names.append(key)
        return names

    def _read_partitions(self, step: Step) -> list[str]:
        if step.asset.partitions == Partitions.SHARDS_BY_VARIANT:  # an index reads those of its own variant
            return [key for key in step.partitions(self._workspace) if halves(key)[1] in self._context.partition_keys]
        if step.asset.partitions != Partitions.IMAGE_FORMATS:
            return step.partitions(self._workspace)
        # a training reads those of its own format; a variant that means nothing says so when it is built
        formats: dict[str, None] = {}
        for key in self._context.partition_keys:
            with contextlib.suppress(SettingsError, InputError):
                variant = self._step.workspace_of(self._workspace, key)
                formats |= dict.fromkeys(variant_image_format(variant.recipe.training))
        return list(formats)

    def one(self, key: str) -> dg.MaterializeResult:
        """Builds one partition, or the asset that has none. Its checks are a step of their own, which Dagster runs next."""
        outcome = self._run(self._step, [key], self._force, checks=False)
        for error in outcome.failures.values():
            raise error
        built = outcome.partitions[key]
        return dg.MaterializeResult(
            metadata=artifact_metadata(built),
            data_version=dg.DataVersion(built.artifact.content),
            tags=self._history.built(self._step, built),
        )

    def batch(self, keys: Sequence[str]) -> None:
        """Builds the partitions one after the other. Raises RunFailedError at the end where some failed.

        Each is reported as it is done: the run may end at any time, and Dagster's own event at the end of a run over many
        partitions would give them all one data version.
        """
        self._build_all(self._step, keys, self._force)

    def _build_all(self, step: Step, keys: Sequence[str], force: bool) -> None:
        outcome = self._run(step, keys, force, checks=True)
        for result in outcome.checks:
            # Dagster takes these too (1.13.27); only the annotation does not say so.
            self._context.log_event(check_evaluation(self._context.instance, result))  # type: ignore[arg-type]
        if failures := failures_of([outcome]):
            raise RunFailedError(failures, [])

    def _run(self, step: Step, keys: Sequence[str], force: bool, checks: bool) -> AssetOutcome:
        alone, say_pace = not checks, progress_lines(self._context.log.info)

        def done(partition: PartitionDone) -> None:
            if partition.materialised:
                self._say(partition.materialised)
                if not alone:
                    self._report(step, partition.materialised)
            if isinstance(partition.error, ClipPipelineError) and not alone:
                self._context.log.error(f"{name_of(step.name, partition.partition)}: {page_sentence(partition.error)}")
            say_pace(partition)

        def show(*shown: Any) -> None:
            self._context.log_event(observation(*shown))

        outcome = run_step(self._workspace, in_own_process(step, self._context), keys, force, show, done, checks)
        if incomplete := incomplete_sentence([outcome]):
            self._context.log.warning(f"{incomplete}.")
        return outcome

    def _say(self, outcome: Materialised) -> None:
        counts = counts_text(outcome.artifact.rows)
        state = "cache: hit" if outcome.hit else f"built ({outcome.reason})"
        self._context.log.info(f"{outcome.artifact.key}: {state}, {outcome.seconds:.1f} s, {counts}")

    def _report(self, step: Step, outcome: Materialised) -> None:
        event = dg.AssetMaterialization(
            step.name,
            partition=outcome.artifact.key.partition,
            metadata=artifact_metadata(outcome),
            tags=self._history.built(step, outcome),
        )
        self._context.log_event(event)

    def mirror_followers(self) -> None:
        """Registers the partitions that are known now that the asset is there, and says of the assets right after it whether they
        are in sync."""
        name, makes = self._step.name, self._step.asset.makes
        self._history.mirror(
            step for step in STEPS.values() if name in step.asset.after or (makes and step.asset.partitions == makes)
        )
