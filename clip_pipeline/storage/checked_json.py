"""JSON files of the program's own that hold a checksum of themselves: read as they were written, or refused with the reason.

The first line of the object is `"checksum"`, the sha256 of all bytes after it. A file without that line was written by a version
that had none; who reads it must look at its values with more care.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clip_pipeline.errors import DamagedFileError
from clip_pipeline.storage.disk import hash_file, write_synced

MAX_BYTES = 32 * 2**20
"""Largest file that is read, and written: a manifest of 150,000 files. Parsed, it is some 600 MB at the worst."""

CHECKSUM = "checksum"
_HEAD = re.compile(rb'\{\n "checksum": "([0-9a-f]{64})"')


@dataclass(frozen=True)
class CheckedJson:
    """value: the object, without its checksum. has_checksum: False for a file of before. written_ns: its modification time."""

    value: dict[str, Any]
    has_checksum: bool
    written_ns: int


def checked_text(value: dict[str, Any]) -> str:
    """The object as indented JSON with its checksum. Raises DamagedFileError for one that would be too large to be read again."""
    plain = json.dumps(value, indent=1, sort_keys=True)
    rest = f",{plain[1:]}" if value else "\n}"
    text = f'{{\n "{CHECKSUM}": "{hashlib.sha256(rest.encode()).hexdigest()}"{rest}'
    if len(text) > MAX_BYTES:
        raise DamagedFileError(f"would have {len(text):,} bytes, more than the {MAX_BYTES:,} that are read again")
    return text


def read_checked(path: Path) -> CheckedJson:
    """The object in the file. Raises DamagedFileError, whose text is the reason as in "is empty", and FileNotFoundError or
    NotADirectoryError where there is none."""
    content, written_ns = read_own_file(path)
    if not content.strip():
        raise DamagedFileError("is empty")
    head = _HEAD.match(content)
    if head is None:
        return CheckedJson(_old_object(content), False, written_ns)
    rest = content[head.end() :]
    if hashlib.sha256(rest).hexdigest() != head[1].decode():
        raise DamagedFileError("is not what was written: its checksum does not match")
    return CheckedJson(json.loads(b"{" + rest.removeprefix(b",")), True, written_ns)


def read_own_file(path: Path, max_bytes: int = MAX_BYTES) -> tuple[bytes, int]:
    """(bytes, modification time in ns) of a regular file; a link, a folder, a pipe or an overlong file is a DamagedFileError."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise DamagedFileError("is a link, where a file was written") from None
        if error.errno == errno.ENXIO:
            raise DamagedFileError("is a socket, where a file was written") from None
        raise
    try:
        state = os.fstat(descriptor)
        if not stat.S_ISREG(state.st_mode):
            kind = "a folder" if stat.S_ISDIR(state.st_mode) else "a pipe or device"
            raise DamagedFileError(f"is {kind}, where a file was written")
        if state.st_size > max_bytes:
            raise DamagedFileError(f"has {state.st_size:,} bytes, more than any that is written ({max_bytes:,})")
        with open(descriptor, "rb", closefd=False) as file:
            return file.read(), state.st_mtime_ns
    finally:
        os.close(descriptor)


def _old_object(content: bytes) -> dict[str, Any]:
    try:
        value = json.loads(content.decode("utf-8"), object_pairs_hook=_each_name_once)
    except RecursionError:
        raise DamagedFileError("is nested too deeply") from None
    except UnicodeDecodeError:
        raise DamagedFileError("is not UTF-8") from None
    except ValueError as error:
        raise DamagedFileError(f"is no JSON ({error})") from None
    if not isinstance(value, dict):
        raise DamagedFileError("is no JSON object")
    if CHECKSUM in value:
        raise DamagedFileError("is not what was written: its checksum is out of place")
    return value


def _each_name_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a name stands twice")
    return value


# ---- the files of a folder


def write_sums(folder: Path, path: Path) -> None:
    """Writes at `path` the sha256 of every file below `folder`, but for itself; returns when it is on the disk."""
    write_synced(path, checked_text(_sums_of(folder, path)))


def why_changed(folder: Path, path: Path) -> str:
    """What is wrong with the folder whose files `write_sums` summed up, such as "x is not what was written"; "" where nothing is."""
    try:
        wanted = read_checked(path).value
    except DamagedFileError as error:
        return f"{path.name} {error}"
    except (FileNotFoundError, NotADirectoryError):
        return f"{path.name} is missing"
    found = _sums_of(folder, path)
    changed = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
    return f"{changed[0]} is not what was written" if changed else ""


def _sums_of(folder: Path, left_out: Path) -> dict[str, str]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and path != left_out)
    return {path.relative_to(folder).as_posix(): hash_file(path) for path in files}
