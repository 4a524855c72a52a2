"""A folder of shards at a place of the user's choice: one writer, and each shard whole or not there, whenever a writer was killed.

NNNNN.tar, NNNNN.parquet, NNNNN_stats.json   a shard; the stats are put there last and removed first: with them it is complete
.NNNNN.staging/   a shard that is being written; thrown away when its build starts again
.NNNNN.ready/     a shard that is written, on its way to its place: whoever comes next brings it there
.NNNNN.removed    a shard that is on its way out: whoever comes next removes what is left of it
.NNNNN.work/      finished pieces of an unfinished shard; a killed run resumes from them
.lock             of the one who writes
"""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

from clip_pipeline.errors import DamagedFileError, StoreError
from clip_pipeline.storage.checked_json import read_own_file
from clip_pipeline.storage.disk import sync_path, sync_tree, write_synced
from clip_pipeline.storage.disk_faults import disk_errors
from clip_pipeline.storage.lock import exclusive_lock

ENDINGS = (".tar", ".parquet")


@contextlib.contextmanager
def only_writer_of_shards(output: Path) -> Iterator[None]:
    """Holds the folder's lock, for which another writer waits, and ends what a killed one had begun to put in place or remove.

    Raises StoreError when `output` is a file, DiskError where it cannot be written.
    """
    if output.is_file():
        raise StoreError(f"{output} is a file, a folder was expected. Choose another place with -o.")
    with disk_errors(output), exclusive_lock(output / ".lock", str(output), remove=True):
        for ready in output.glob(".*.ready"):
            _put_in_place(output, ready.name[1:].removesuffix(".ready"))
        for removed in output.glob(".*.removed"):
            _end_removal(output, removed.name[1:].removesuffix(".removed"))
        yield


def published_shard(
    output: Path,
    shard: str,
    plan: str,
    settings: str,
    build: Callable[[Path, Path, bool], dict[str, Any]],
    again: Callable[[dict[str, Any]], bool] = lambda stats: False,
) -> dict[str, Any]:
    """The stats of one shard below `output`, building it unless it is finished for the same plan. Call as `only_writer_of_shards`.

    plan: a hash of all that decides its bytes; settings: of all but the list of photos. build(folder, work, reusable): writes
    NNNNN.tar, NNNNN.parquet and NNNNN_stats.json into `folder`; `work` outlives a crash; `reusable` says that the old shard in
    `output` was made with the same settings. again(stats): whether to build a finished shard once more.
    """
    with disk_errors(output):
        old = shard_stats(output, shard)
        staging, works = _staging(output, shard), works_of(output, shard)
        if old.get("plan") == plan and not again(old):
            for rest in (staging, works):  # of a run that was killed after it had put the files in place
                shutil.rmtree(rest, ignore_errors=True)
            return old
        work = works / settings[:16]
        for other in works.iterdir() if works.exists() else ():
            if other != work:
                shutil.rmtree(
                    other, ignore_errors=True
                )  # what a decoder that outlives a killed run adds meanwhile goes with all of it
        work.mkdir(parents=True, exist_ok=True)
        same_settings = old.get("settings") == settings
        stats = _publish(output, shard, plan, settings, lambda folder: build(folder, work, same_settings))
        # Under its name a decoder that outlives a killed run by a photo may still begin a file while the folder is emptied.
        works.replace(staging)
        shutil.rmtree(staging)
    return stats


def rewritten_shard(output: Path, shard: str, plan: str, build: Callable[[Path], dict[str, Any]]) -> dict[str, Any]:
    """The stats of a finished shard that build(folder) writes anew from what it holds. Its settings stay, and so do the pieces of
    an unfinished one of the same name."""
    with disk_errors(output):
        return _publish(output, shard, plan, shard_stats(output, shard)["settings"], build)


def _publish(
    output: Path, shard: str, plan: str, settings: str, build: Callable[[Path], dict[str, Any]]
) -> dict[str, Any]:
    staging = _staging(output, shard)
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    stats = build(staging) | {"plan": plan, "settings": settings}
    write_synced(staging / _stats_name(shard), json.dumps(stats, indent=1, sort_keys=True) + "\n")
    sync_tree(staging)
    staging.rename(output / f".{shard}.ready")
    _put_in_place(output, shard)
    return stats


def _put_in_place(output: Path, shard: str) -> None:
    ready, stats = output / f".{shard}.ready", _stats_name(shard)
    if (ready / stats).exists():
        (output / stats).unlink(missing_ok=True)
    for path in sorted(ready.iterdir(), key=lambda path: path.name == stats):
        path.replace(output / path.name)
    sync_path(output)
    ready.rmdir()


def shard_stats(output: Path, shard: str) -> dict[str, Any]:
    """What the stats of a shard below `output` say; empty when it is not complete or is not ours."""
    try:
        content, _ = read_own_file(output / _stats_name(shard))
        stats = json.loads(content)
    except (FileNotFoundError, ValueError, RecursionError, DamagedFileError):
        return {}
    whole = all((output / f"{shard}{ending}").is_file() for ending in ENDINGS)
    return stats if whole and isinstance(stats, dict) and "plan" in stats else {}


def finished_shards(output: Path) -> dict[str, dict[str, Any]]:
    """Shard -> its stats, of the complete shards below `output`."""
    names = sorted(path.name.removesuffix("_stats.json") for path in output.glob("*_stats.json"))
    return {shard: stats for shard in names if (stats := shard_stats(output, shard))}


def works_of(output: Path, shard: str) -> Path:
    """The folder of the pieces of an unfinished shard, by settings."""
    return output / f".{shard}.work"


def unfinished_shards(output: Path) -> list[str]:
    """The shards of which there are pieces, sorted."""
    return sorted(path.name[1:].removesuffix(".work") for path in output.glob(".*.work"))


def holds_shards(output: Path) -> bool:
    """Whether a download has written to the folder, to its end or not."""
    return any(any(output.glob(name)) for name in ("*_stats.json", ".*.work", ".*.ready", ".*.removed"))


def remove_shard(output: Path, shard: str) -> None:
    """Removes a complete shard. Killed in the middle, the next writer ends it."""
    (output / _stats_name(shard)).replace(output / f".{shard}.removed")
    _end_removal(output, shard)


def _end_removal(output: Path, shard: str) -> None:
    for ending in ENDINGS:
        (output / f"{shard}{ending}").unlink(missing_ok=True)
    (output / f".{shard}.removed").unlink()


def remove_other_shards(output: Path, shards: Collection[str]) -> list[str]:
    """Removes the shards that an earlier, longer list left below `output`; returns their names. Other files stay."""
    removed = [shard for shard in finished_shards(output) if shard not in shards]
    for shard in removed:
        remove_shard(output, shard)
    for shard in {*removed, *unfinished_shards(output)} - set(shards):
        for rest in (_staging(output, shard), works_of(output, shard)):
            shutil.rmtree(rest, ignore_errors=True)
    return removed


def _staging(output: Path, shard: str) -> Path:
    return output / f".{shard}.staging"


def _stats_name(shard: str) -> str:
    return f"{shard}_stats.json"
