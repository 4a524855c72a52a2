"""From a changed source to pairs, by itself: the sensor `automation` asks for what is stale or missing, one asset after the other.

It goes from the dump to the pairs. Trainings, embeddings and scores are not asked for: they take hours, and a person or a schedule
says when. Why a condition of our own: `docs/decisions/0024-automation.md`.
"""

import json
import logging
from datetime import datetime, timedelta
from functools import lru_cache

import dagster as dg
from dagster._core.asset_graph_view.entity_subset import EntitySubset
from dagster._core.definitions.events import AssetKeyPartitionKey

from clip_pipeline.defs.automation.run_requests import run_tags
from clip_pipeline.defs.resources import page_workspace
from clip_pipeline.errors import ClipPipelineError
from clip_pipeline.pipeline.graph import STEPS
from clip_pipeline.pipeline.sources.declared import SOURCES
from clip_pipeline.pipeline.status import ArtifactStatus, pipeline_status
from clip_pipeline.pipeline.step import Step
from clip_pipeline.pipeline.workspace import Workspace

logger = logging.getLogger(__name__)

CHAIN = (
    "wikipedia_dump",
    "word_counts",
    "vocabulary",
    "image_links",
    "photo_catalog",
    "image_shards",
    "image_text_pairs",
)
"""The assets that are brought up to date by themselves, in the order of the flow."""

ASKED_AGAIN = timedelta(days=1)
"""After so long an artifact is asked for again although nothing changed: what made its run fail may have passed."""


class NotFresh(dg.AutomationCondition):
    """True for the partitions that the store calls stale or missing, once all that they read is fresh.

    Each state of the inputs is asked for once, and once a day more: a run that fails is not started again every half minute.
    """

    @property
    def description(self) -> str:
        return "Not fresh in the data folder, though all that it reads is"

    @property
    def requires_cursor(self) -> bool:
        return True

    def evaluate(self, context: dg.AutomationContext) -> dg.AutomationResult:
        asked = json.loads(context.cursor) if context.cursor else {}
        name, now = context.key.to_user_string(), context.evaluation_time
        states = _wanted_states(now).get(name, {})
        candidates = _keys(context.candidate_subset)
        due = {
            key: state
            for key, state in states.items()
            if key in candidates and not _was_asked(asked.get(key), state, now)
        }
        cursor = {key: asked[key] for key in states.keys() - due.keys() if key in asked}
        cursor |= {key: [state, now.isoformat()] for key, state in due.items()}
        return dg.AutomationResult(context, _subset(context, set(due)), cursor=json.dumps(cursor, sort_keys=True))


@lru_cache(maxsize=1)
def _wanted_states(now: datetime) -> dict[str, dict[str, str]]:
    """By asset and partition, of those that are not fresh while all before them is: what they are to be made of. One that lacks photos
    is fresh until it is time to ask for them. The folder is looked at once a tick, `now`, whatever number of assets is asked about."""
    found: dict[str, dict[str, str]] = {}
    settled: set[str] = set()
    try:
        with page_workspace() as workspace:
            for step in (STEPS[name] for name in CHAIN):
                if not settled.issuperset(step.asset.after):
                    continue
                statuses = [one for one in pipeline_status(workspace, [step]) if one.asset == step.name]
                states = {one.partition: _wanted_state(workspace, step, one) for one in statuses}
                if all(one.state in ("fresh", "incomplete") for one in statuses) and not any(states.values()):
                    settled.add(step.name)
                found[step.name] = {partition: state for partition, state in states.items() if state}
    except ClipPipelineError as error:
        logger.warning("Nothing is asked for: %s", error)
    return found


def _wanted_state(workspace: Workspace, step: Step, status: ArtifactStatus) -> str:
    """What an artifact is to be made of; "" for one that is to be left as it is."""
    key = step.key(status.partition)
    if status.state in ("stale", "missing"):
        return step.wanted(workspace, status.partition).fingerprint(key)
    if status.state == "incomplete":
        artifact = workspace.store.get(key)
        incomplete = step.incomplete(workspace, artifact)
        if incomplete is not None and incomplete.is_due:
            return f"{artifact.fingerprint}, tried {artifact.manifest['finished']}"
    return ""


def _was_asked(before: list[str] | None, state: str, now: datetime) -> bool:
    return before is not None and before[0] == state and now - datetime.fromisoformat(before[1]) < ASKED_AGAIN


def _keys(subset: EntitySubset) -> set[str]:
    """Partition keys of a subset, "" for an asset without."""
    if subset.is_empty:
        return set()
    return {key.partition_key or "" for key in subset.expensively_compute_asset_partitions()}


def _subset(context: dg.AutomationContext, keys: set[str]) -> EntitySubset:
    wanted = {AssetKeyPartitionKey(context.key, key or None) for key in keys}
    return context.asset_graph_view.get_asset_subset_from_asset_partitions(context.key, wanted)


CONDITIONS = dict.fromkeys(CHAIN, ~dg.AutomationCondition.in_progress() & NotFresh())
"""By asset. The last is evaluated for what the first leaves, so that what it says is what is asked for."""

automation = dg.AutomationConditionSensorDefinition(
    "automation",
    target=dg.AssetSelection.assets(*CHAIN, *SOURCES),
    default_status=dg.DefaultSensorStatus.STOPPED,
    minimum_interval_seconds=30,
    use_user_code_server=True,  # which alone evaluates a condition of our own
    run_tags=run_tags(),
    description="Brings words, links, photos and pairs up to date when a source changed; asks the mirror for a newer dump each day.",
)
