"""Keys that were typed on the page and go by another name since: a run that is launched with one of them still finds it.

A dataset that was typed as NAME=PATH is called NAME with the next look at the data folder. The dialog that it was typed into still
has NAME=PATH, for as long as it is open, and a run may wait for its pool for hours. Dagster refuses a run whose key is gone, and says
"Nonexistent partition keys".
"""

import json
from collections.abc import Mapping

import dagster as dg

TYPED = "clip_pipeline/typed"
"""Under it the instance keeps the keys that were taken away, of each kind of partitions."""

ENDED = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)


def take_away(instance: dg.DagsterInstance, kind: str, key: str) -> None:
    """Removes a typed key from Dagster's partitions of a kind, unless a run that has not ended has it: then a later look does."""
    unfinished = dg.RunsFilter(statuses=[status for status in dg.DagsterRunStatus if status not in ENDED])
    if any(key in run.tags.values() for run in instance.get_runs(unfinished)):
        return
    typed = _typed(instance)
    if key not in typed.get(kind, []):
        typed[kind] = [*typed.get(kind, []), key]
        instance.daemon_cursor_storage.set_cursor_values({TYPED: json.dumps(typed)})
    instance.delete_dynamic_partition(kind, key)


def give_back(instance: dg.DagsterInstance, tags: Mapping[str, str]) -> None:
    """Makes the typed keys among a run's tags partitions again, before the run starts."""
    for kind, keys in _typed(instance).items():
        if wanted := sorted(set(keys) & set(tags.values())):
            instance.add_dynamic_partitions(kind, wanted)


def _typed(instance: dg.DagsterInstance) -> dict[str, list[str]]:
    return json.loads(instance.daemon_cursor_storage.get_cursor_values({TYPED}).get(TYPED, "{}"))
