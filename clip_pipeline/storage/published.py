"""Results that go where the user says instead of the data folder: a file, a folder or shards, whole or not there."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

from clip_pipeline.errors import StoreError
from clip_pipeline.storage.disk import restore_previous, swap_in, sync_path, sync_tree, write_synced
from clip_pipeline.storage.disk_faults import disk_errors
from clip_pipeline.storage.lock import exclusive_lock

OWN_MARK = ".clip-pipeline"


@contextlib.contextmanager
def published_file(path: Path | str) -> Iterator[Path]:
    """Yields a temporary path to write to; on success it takes the place of `path` in one step. One writer at a time."""
    path = Path(path).expanduser().absolute()
    with disk_errors(path.parent), only_writer(path):
        temporary = path.with_name(f".{path.name}.part")  # a killed writer's, which the next one writes over
        try:
            yield temporary
            sync_path(temporary)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def only_writer(place: Path) -> contextlib.AbstractContextManager[bool]:
    """Holds the lock of a file or folder of the user's choice; another writer waits, and says whom for. A dead one's is free."""
    return exclusive_lock(place.with_name(f".{place.name}.lock"), str(place), remove=True)


def work_folder_of(path: Path | str) -> Path:
    """The work folder of `published_folder(path)`, for processes that help to fill it."""
    target = Path(path).expanduser().absolute()
    return target.with_name(f".{target.name}.work")


@contextlib.contextmanager
def published_folder(path: Path | str) -> Iterator[tuple[Path, Path]]:
    """Yields (folder to fill, work folder that survives a crash); on success the first takes the place of `path`.

    For results that go where the user says instead of the data folder. An older result there is replaced whole. Raises
    StoreError when `path` is a file, or holds files that no run of ours wrote. A second writer waits until the first is done.
    """
    target = Path(path).expanduser().absolute()
    _check_place(target)
    staging, work = target.with_name(f".{target.name}.staging"), work_folder_of(target)
    with disk_errors(target.parent), only_writer(target):
        restore_previous(target, OWN_MARK)
        _check_place(target)  # the one that was waited for may have left something else
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir(parents=True)
        work.mkdir(exist_ok=True)
        yield staging, work
        write_synced(staging / OWN_MARK, "This folder was written by clip-pipeline, which may replace it.\n")
        sync_tree(staging)
        swap_in(staging, target)
        shutil.rmtree(work, ignore_errors=True)


def _check_place(target: Path) -> None:
    if target.is_file():
        raise StoreError(f"{target} is a file, a folder was expected. Choose another place with -o.")
    if target.is_dir() and any(target.iterdir()) and not (target / OWN_MARK).exists():
        raise StoreError(
            f"{target} holds files that clip-pipeline did not write. Choose an empty or new folder with -o."
        )


def published_shard(
    output: Path,
    shard: str,
    plan: str,
    settings: str,
    build: Callable[[Path, Path, bool], dict[str, Any]],
    again: Callable[[dict[str, Any]], bool] = lambda stats: False,
) -> dict[str, Any]:
    """The stats of one shard below `output`, building it unless it is finished for the same plan.

    plan: a hash of all that decides its bytes; settings: of all but the list of photos. build(folder, work, reusable): writes
    NNNNN.tar, NNNNN.parquet and NNNNN_stats.json into `folder`; `work` outlives a crash; `reusable` says that the old shard in
    `output` was made with the same settings. The files are put in place with the stats last: their presence means that the
    shard is complete. again(stats): whether to build a finished shard once more. Raises StoreError when `output` is a file.
    """
    if output.is_file():
        raise StoreError(f"{output} is a file, a folder was expected. Choose another place with -o.")
    with disk_errors(output):
        old = shard_stats(output, shard)
        staging, works = output / f".{shard}.staging", output / f".{shard}.work"
        if old.get("plan") == plan and not again(old):
            for rest in (staging, works):  # of a run that was killed after it had put the files in place
                shutil.rmtree(rest, ignore_errors=True)
            return old
        work = works / settings[:16]
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir(parents=True)
        for other in works.iterdir() if works.exists() else ():
            if other != work:
                shutil.rmtree(
                    other, ignore_errors=True
                )  # what a decoder that outlives a killed run adds meanwhile goes with all of it
        work.mkdir(parents=True, exist_ok=True)
        stats = build(staging, work, old.get("settings") == settings) | {"plan": plan, "settings": settings}
        name = f"{shard}_stats.json"
        write_synced(staging / name, json.dumps(stats, indent=1, sort_keys=True) + "\n")
        sync_tree(staging)
        (output / name).unlink(missing_ok=True)
        for path in sorted(staging.iterdir(), key=lambda path: path.name == name):
            path.replace(output / path.name)
        sync_path(output)
        # Under its name a decoder that outlives a killed run by a photo may still begin a file while the folder is emptied.
        works.replace(staging)
        shutil.rmtree(staging)
    return stats


def shard_stats(output: Path, shard: str) -> dict[str, Any]:
    """What the stats of a shard below `output` say; empty when it is not complete or is not ours."""
    try:
        stats = json.loads((output / f"{shard}_stats.json").read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return {}
    whole = all((output / f"{shard}{ending}").is_file() for ending in (".tar", ".parquet"))
    return stats if whole and isinstance(stats, dict) and "plan" in stats else {}


def remove_other_shards(output: Path, shards: Collection[str]) -> list[str]:
    """Removes the shards that an earlier, longer list left below `output`; returns their names. Other files stay."""
    removed = []
    for path in sorted(output.glob("*_stats.json")):
        shard = path.name.removesuffix("_stats.json")
        if shard not in shards and shard_stats(output, shard):
            path.unlink()
            for ending in (".tar", ".parquet"):
                (output / f"{shard}{ending}").unlink()
            removed.append(shard)
    return removed
