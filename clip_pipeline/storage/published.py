"""Results that go where the user says instead of the data folder: a file or a folder, whole or not there, one writer at a time."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from clip_pipeline.errors import StoreError
from clip_pipeline.storage.disk import remove_at_once, restore_previous, swap_in, sync_path, sync_tree, write_synced
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
        remove_at_once(work, staging)


def _check_place(target: Path) -> None:
    if target.is_file():
        raise StoreError(f"{target} is a file, a folder was expected. Choose another place with -o.")
    if target.is_dir() and any(target.iterdir()) and not (target / OWN_MARK).exists():
        raise StoreError(
            f"{target} holds files that clip-pipeline did not write. Choose an empty or new folder with -o."
        )
