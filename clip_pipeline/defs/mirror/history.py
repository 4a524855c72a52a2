"""Keeps Dagster's history a mirror of the data folder, whoever built what lies there.

The folder is the truth. Of every artifact Dagster's last event is compared with what the store says now; what differs is reported.
So the page agrees with `clip-pipeline status` after a run from the command line, a failed run, a changed recipe and a killed process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from types import MappingProxyType

import dagster as dg

from clip_pipeline.defs.automation.sources import last_observation, same_state, source_event
from clip_pipeline.defs.mirror.check_events import check_evaluation, report_check
from clip_pipeline.defs.mirror.provenance import (
    CODE_VERSION,
    DATA_VERSION,
    Input,
    Verdict,
    definition_code_version,
    provenance_tags,
    same_provenance,
    verdict_of,
)
from clip_pipeline.defs.page.metadata import CACHE, artifact_metadata
from clip_pipeline.defs.partitions import input_partitions, partition_tags, register_partitions
from clip_pipeline.errors import MissingArtifactError, StoreError
from clip_pipeline.pipeline.checks.evaluate import remembered_checks
from clip_pipeline.pipeline.graph import STEPS
from clip_pipeline.pipeline.sources.declared import SOURCES
from clip_pipeline.pipeline.stages import artifact_key
from clip_pipeline.pipeline.step import Step
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.storage.artifacts import Materialised
from clip_pipeline.storage.disk import hash_json
from clip_pipeline.storage.manifest import Artifact, ArtifactKey

FOLDER_KEY = "clip_pipeline/data_folder"
"""Under it the instance keeps the data folder whose history it is."""

READ_AT_ONCE = 200
"""Events read in one query: each may hold images of 100 kB."""

HIT = {CACHE: dg.MetadataValue.text("hit")}
"""The metadata of an observation."""

GONE = "not in the data folder"
"""The code version of the event that says that an artifact is not there any more."""

FRESH = "fresh"

NOTHING_BUILT = "nothing was built: this event says what is so now"

STATE = "State"
"""The metadata that repeats the store's verdict."""

Report = Callable[[dg.AssetMaterialization | dg.AssetObservation | dg.AssetCheckEvaluation], None]

NO_REASONS: Mapping[ArtifactKey, str] = MappingProxyType({})


def claim(instance: dg.DagsterInstance, workspace: Workspace) -> None:
    """Makes the instance's history that of the workspace's data folder. Raises StoreError where it is another's."""
    folder = str(workspace.store.root)
    owned = history_folder(instance)
    if owned and owned != folder:
        raise StoreError(
            f"This Dagster instance keeps the history of {owned}, and the data folder is {folder}. Start the page for this folder "
            "with an instance of its own (another DAGSTER_HOME), else the history would tell of both as of one."
        )
    if not owned:
        instance.daemon_cursor_storage.set_cursor_values({FOLDER_KEY: folder})


def history_folder(instance: dg.DagsterInstance) -> str:
    """The data folder whose history the instance keeps, "" where it keeps none yet."""
    return instance.daemon_cursor_storage.get_cursor_values({FOLDER_KEY}).get(FOLDER_KEY, "")


class History:
    """What Dagster knows of a data folder, and what is to be said to it. For one pass: what lies on the disk is read once."""

    def __init__(self, instance: dg.DagsterInstance, workspace: Workspace, report: Report | None = None):
        """report: takes the events; those of a run go into its log, others stand for themselves."""
        self.instance = instance
        self.workspace = workspace.as_on_disk()
        self._report = report or instance.report_runless_asset_event
        self._report_check = report or partial(report_check, instance)
        self._contents: dict[tuple[str, str], str] = {}
        self._sources: dict[str, str] = {}
        self._changed_sources = 0

    def mirror(self, steps: Iterable[Step], reasons: Mapping[ArtifactKey, str] = NO_REASONS) -> int:
        """Registers the partitions there are now and reports each artifact whose last event does not say what the store says, and
        the sources that changed.

        steps: in the order of the flow. reasons: why artifacts were built, of those that just were. Returns how many events were
        written. Raises StoreError for the instance of another folder.
        """
        claim(self.instance, self.workspace)
        before = self._changed_sources
        events = sum(self._mirror_step(step, reasons) for step in steps)
        return events + self._changed_sources - before

    def _mirror_step(self, step: Step, reasons: Mapping[ArtifactKey, str]) -> int:
        try:
            keys = step.partitions(self.workspace)
        except MissingArtifactError:
            keys = []
        register_partitions(self.instance, step.asset, keys)
        for source in step.asset.sources:
            self._source_version(source)
        last_events = self._last_events(step, keys)
        events = [self._difference(step, key, last_events.get(key), reasons) for key in keys]
        for key, event in zip(keys, events, strict=True):
            if event is not None:
                self._report(event)
                self._report_checks(step, key, event)
        return sum(event is not None for event in events)

    def _difference(
        self, step: Step, key: str, last: dg.AssetMaterialization | None, reasons: Mapping[ArtifactKey, str]
    ) -> dg.AssetMaterialization | None:
        """The event that makes Dagster know what the store knows; None where it does, or where there is nothing to know."""
        artifact = self.workspace.store.find(step.key(key))
        if artifact is None:
            return _gone(last) if last and (last.tags or {}).get(CODE_VERSION) != GONE else None
        verdict = verdict_of(step, self.workspace, artifact)
        tags = self.tags(step, artifact, verdict)
        if last and same_provenance(last.tags or {}, tags):
            return None
        if last and not verdict.fresh and self._known_stale(step, artifact, last.tags or {}):
            return None
        if last and (last.tags or {}).get(DATA_VERSION) == artifact.content:
            # the same files: what was shown of them, without drawing it again
            metadata = dict(last.metadata) | {CACHE: dg.MetadataValue.text(NOTHING_BUILT)}
        else:
            reason = reasons.get(artifact.key, "found in the data folder")
            metadata = artifact_metadata(Materialised(artifact, False, reason, artifact.manifest["seconds"]))
        return dg.AssetMaterialization(
            asset_key=step.name,
            partition=key or None,
            metadata=metadata | {STATE: verdict.why and f"stale: {verdict.why}" or FRESH},
            tags=tags,
        )

    def _known_stale(self, step: Step, artifact: Artifact, tags: Mapping[str, str]) -> bool:
        """Whether Dagster calls the artifact of the last event stale by itself: another code version says enough, and one more event
        would look like something that was built."""
        same_files = tags.get(DATA_VERSION) == artifact.content
        return same_files and tags.get(CODE_VERSION) not in (definition_code_version(step, self.workspace), GONE)

    def _report_checks(self, step: Step, key: str, event: dg.AssetMaterialization) -> None:
        """Whoever built a fresh artifact: what the checks found of it is remembered beside it, and is said of the event."""
        artifact = self.workspace.store.find(step.key(key))
        if artifact is not None and event.metadata[STATE].value == FRESH:
            for result in remembered_checks(self.workspace, artifact):
                self._report_check(check_evaluation(self.instance, result))

    def tags(self, step: Step, artifact: Artifact, verdict: Verdict) -> dict[str, str]:
        """The tags of an event that reports the artifact now."""
        inputs = {name: self._input(step, name, artifact.key.partition) for name in step.asset.after}
        inputs |= {name: Input(self._source_version(name)) for name in step.asset.sources}
        pointer = self.instance.event_log_storage.get_maximum_record_id() or 0
        tags = provenance_tags(step, self.workspace, artifact, verdict, inputs, pointer)
        return tags | partition_tags(step.asset, artifact.key.partition)

    def tell(self, step: Step, outcomes: Mapping[str, Materialised]) -> None:
        """Reports what a walk did for an asset: what was built is a materialisation, a hit an observation."""
        self._contents.update({(step.name, key): done.artifact.content for key, done in outcomes.items()})
        self.mirror([step], {done.artifact.key: done.reason for done in outcomes.values() if not done.hit})
        for key, done in outcomes.items():
            if done.hit:
                tags = {DATA_VERSION: done.artifact.content, **partition_tags(step.asset, key)}
                self._report(dg.AssetObservation(step.name, partition=key or None, metadata=HIT, tags=tags))

    def built(self, step: Step, outcome: Materialised) -> dict[str, str]:
        """The tags of the event of what was just built, or found fresh."""
        self._contents[step.name, outcome.artifact.key.partition] = outcome.artifact.content
        return self.tags(step, outcome.artifact, Verdict(""))

    def _input(self, step: Step, name: str, partition: str) -> Input:
        try:
            keys = input_partitions(self.workspace, STEPS[name].asset, step.asset, partition)
        except MissingArtifactError:  # a dataset of one's own is built before there is any shard
            return Input("")
        if keys == [""]:
            return Input(self._content(name, ""))
        return Input(hash_json([[key, self._content(name, key)] for key in keys]), len(keys))

    def _source_version(self, name: str) -> str:
        """What Dagster knows of a source; it is looked at once in a pass, and what changed is reported before what it is read by."""
        if name not in self._sources:
            state = SOURCES[name].look(self.workspace)
            self._sources[name] = state.version
            if not same_state(last_observation(self.instance, name), state):
                self._report(source_event(name, state))
                self._changed_sources += 1
        return self._sources[name]

    def _content(self, name: str, key: str) -> str:
        """The content hash of what lies on the disk, "" where nothing does."""
        if (name, key) not in self._contents:
            found = self.workspace.store.find(artifact_key(name, key))
            self._contents[name, key] = found.content if found else ""
        return self._contents[name, key]

    def _last_events(self, step: Step, keys: Sequence[str]) -> dict[str, dg.AssetMaterialization]:
        """Dagster's last materialisation of each of the partitions that has one."""
        asset, kind = dg.AssetKey(step.name), dg.DagsterEventType.ASSET_MATERIALIZATION
        if list(keys) == [""]:
            last = self.instance.get_latest_materialization_event(asset)
            event = last.asset_materialization if last else None
            return {"": event} if event else {}
        numbers = self.instance.get_latest_storage_id_by_partition(asset, kind, set(keys))
        known, wanted = {}, [number for key, number in numbers.items() if key in set(keys)]
        for start in range(0, len(wanted), READ_AT_ONCE):
            few = dg.AssetRecordsFilter(asset, storage_ids=wanted[start : start + READ_AT_ONCE])
            for record in self.instance.fetch_materializations(few, limit=READ_AT_ONCE).records:
                event = record.asset_materialization
                if event and event.partition:
                    known[str(event.partition)] = event
        return known


def _gone(last: dg.AssetMaterialization) -> dg.AssetMaterialization:
    """Dagster cannot forget one partition (its storage refuses), so the last event says that the artifact is not there any more."""
    tags = {**(last.tags or {}), CODE_VERSION: GONE}
    return dg.AssetMaterialization(last.asset_key, partition=last.partition, metadata={STATE: GONE}, tags=tags)
