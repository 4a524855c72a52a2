"""Results that go where the user says instead of the data folder: a file or a folder, whole or not there, one writer at a time.

Whether a result may go there is asked before any work, whose end may be hours away (`check_output_…`).
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from clip_pipeline.errors import StoreError
from clip_pipeline.storage.disk import remove_at_once, restore_previous, swap_in, sync_path, sync_tree, write_synced
from clip_pipeline.storage.disk_faults import disk_errors
from clip_pipeline.storage.lock import exclusive_lock

OWN_MARK = ".clip-pipeline"
_MARK = "This folder was written by clip-pipeline, which may replace it.\n"
DIFFERENCES_SHOWN = 3


@contextlib.contextmanager
def published_file(path: Path | str) -> Iterator[Path]:
    """Yields a temporary path to write to; on success it takes the place of `path` in one step. One writer at a time."""
    check_output_file(path)
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
def published_folder(
    path: Path | str, made: Mapping[str, Any] | None = None, replace: bool = False
) -> Iterator[tuple[Path, Path]]:
    """Yields (folder to fill, work folder that survives a crash); on success the first takes the place of `path`.

    For results that go where the user says instead of the data folder. An older result there is replaced whole, where it is one
    of the same `made` ({"command": its name, what went in: how it was called}) or `replace` is given; made of None replaces any.
    Raises StoreError when `path` is a file, cannot be written, or holds something else. A second writer waits until the first is done.
    """
    target = Path(path).expanduser().absolute()
    check_output_folder(target, made, replace)
    staging, work = target.with_name(f".{target.name}.staging"), work_folder_of(target)
    with disk_errors(target.parent), only_writer(target):
        restore_previous(target, OWN_MARK)
        check_output_folder(target, made, replace)  # the one that was waited for may have left something else
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir(parents=True)
        work.mkdir(exist_ok=True)
        yield staging, work
        write_synced(staging / OWN_MARK, _mark_of(made))
        sync_tree(staging)
        swap_in(staging, target)
        remove_at_once(work, staging)


def check_output_file(path: Path | str) -> None:
    """Raises StoreError where no file can be written at `path`: a folder lies there, a file lies in the place of one of its folders,
    or the rights are lacking. Folders that are missing are made when it is written."""
    place = Path(path).expanduser().absolute()
    if place.is_dir() or str(path).endswith(os.sep):
        raise StoreError(f"{path} is a folder, a file was expected. Name a file with -o, such as {place / 'NAME'}.")
    _check_parents(place)


def check_growing_folder(path: Path | str) -> None:
    """Raises StoreError where `path`, a folder to which results are added, is no folder or cannot be written."""
    place = Path(path).expanduser().absolute()
    if place.exists() and not place.is_dir():
        raise StoreError(f"{path} is a file, a folder was expected. Choose another place.")
    _check_parents(place / "result")


def check_output_folder(path: Path | str, made: Mapping[str, Any] | None = None, replace: bool = False) -> None:
    """Raises StoreError where no folder can be written at `path`, where it holds files that no run of ours wrote, and without
    `replace` where it holds something else than `made`."""
    place = Path(path).expanduser().absolute()
    if place.is_file():
        raise StoreError(f"{path} is a file, a folder was expected. Choose another place with -o.")
    _check_parents(place)
    if not place.is_dir() or not any(place.iterdir()):
        return
    if not (place / OWN_MARK).exists():
        raise StoreError(f"{path} holds files that clip-pipeline did not write. Choose an empty or new folder with -o.")
    if made and not replace and (other := _what_differs(place, made)):
        raise StoreError(f"{path} {other}. Choose another folder with -o, or give --replace to replace what is there.")


def _mark_of(made: Mapping[str, Any] | None) -> str:
    """The text of OWN_MARK in a finished folder. made: {"command": its name, what went in: how it was called}."""
    return _MARK + (json.dumps(made, default=str) + "\n" if made else "")


def _check_parents(place: Path) -> None:
    above = next(parent for parent in place.parents if parent.exists())
    if not above.is_dir():
        raise StoreError(f"{above} is a file, so that there can be no {place}. Choose another place.")
    if not os.access(above, os.W_OK | os.X_OK):
        raise StoreError(f"You may not write in {above}, so that there can be no {place}. Choose another place.")


def _what_differs(place: Path, made: Mapping[str, Any]) -> str:
    """What a finished folder holds, as the rest of a sentence; "" where it is the same thing made before."""
    before = _read_mark(place)
    if not before:
        return "holds a result of which nothing is known (an earlier version wrote it, or its mark is damaged)"
    wanted = json.loads(json.dumps(made, default=str))
    if before.get("command") != wanted["command"]:
        return f"holds what `clip-pipeline {before.get('command')}` wrote, and this is `{wanted['command']}`"
    # Settings that one of the two does not have came or went with a version.
    names = [name for name in wanted if name in before and before[name] != wanted[name]]
    if not names:
        return ""
    shown = [f"{name} {_shown(before[name])} there, {_shown(wanted[name])} here" for name in names]
    more = f"; {len(names) - DIFFERENCES_SHOWN} more" if len(names) > DIFFERENCES_SHOWN else ""
    return f"holds another result of `{wanted['command']}`: {'; '.join(shown[:DIFFERENCES_SHOWN])}{more}"


def _shown(value: Any) -> str:
    return "none" if value is None or value == "" or value == [] else str(value)


def _read_mark(place: Path) -> dict[str, Any]:
    try:
        found = json.loads((place / OWN_MARK).read_bytes()[:1_000_000].decode().removeprefix(_MARK))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
