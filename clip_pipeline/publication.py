"""Results that go where the user says instead of the data folder: a file, a folder or shards, whole or not there."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from clip_pipeline.disk import disk_errors, restore_previous, swap_in, sync_path, sync_tree, write_synced
from clip_pipeline.errors import StoreError

OWN_MARK = ".clip-pipeline"


@contextlib.contextmanager
def published_file(path: Path | str) -> Iterator[Path]:
    """Yields a temporary path to write to; on success it takes the place of `path` in one step."""
    path = Path(path).expanduser().absolute()
    with disk_errors(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            yield temporary
            sync_path(temporary)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def published_folder(path: Path | str) -> Iterator[tuple[Path, Path]]:
    """Yields (folder to fill, work folder that survives a crash); on success the first takes the place of `path`.

    For results that go where the user says instead of the data folder. An older result there is replaced whole. Raises
    StoreError when `path` is a file, or holds files that no run of ours wrote.
    """
    target = Path(path).expanduser().absolute()
    if target.is_file():
        raise StoreError(f"{target} is a file, a folder was expected. Choose another place with -o.")
    if target.is_dir() and any(target.iterdir()) and not (target / OWN_MARK).exists():
        raise StoreError(
            f"{target} holds files that clip-pipeline did not write. Choose an empty or new folder with -o."
        )
    staging, work = target.with_name(f".{target.name}.staging"), target.with_name(f".{target.name}.work")
    with disk_errors(target.parent):
        restore_previous(target, OWN_MARK)
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir(parents=True)
        work.mkdir(exist_ok=True)
        yield staging, work
        write_synced(staging / OWN_MARK, "This folder was written by clip-pipeline, which may replace it.\n")
        sync_tree(staging)
        swap_in(staging, target)
        shutil.rmtree(work, ignore_errors=True)


def published_shard(output: Path, shard: str, plan: str, build: Callable[[Path], dict[str, Any]]) -> dict[str, Any]:
    """The stats of one shard below `output`, building it unless it is finished for the same plan.

    build(folder): writes NNNNN.tar, NNNNN.parquet and NNNNN_stats.json. They are put in place with the stats last, which say
    the plan: their presence means the shard is complete. Raises StoreError when `output` is a file.
    """
    if output.is_file():
        raise StoreError(f"{output} is a file, a folder was expected. Choose another place with -o.")
    stats_path = output / f"{shard}_stats.json"
    with disk_errors(output), contextlib.suppress(FileNotFoundError, json.JSONDecodeError):
        stats = json.loads(stats_path.read_text())
        if stats.get("plan") == plan:
            return stats
    with disk_errors(output):
        staging = output / f".{shard}.staging"
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir(parents=True)
        stats = build(staging) | {"plan": plan}
        write_synced(staging / stats_path.name, json.dumps(stats, indent=1, sort_keys=True) + "\n")
        sync_tree(staging)
        stats_path.unlink(missing_ok=True)
        for path in sorted(staging.iterdir(), key=lambda path: path.name == stats_path.name):
            path.replace(output / path.name)
        sync_path(output)
        staging.rmdir()
    return stats
