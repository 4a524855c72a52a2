"""Finished attempts of an unfinished shard, on disk: a killed run takes them up instead of fetching again.

A journal is a folder of segments, one for each process that writes, so nobody waits for a lock. A segment is a row of
records: a header (mark, lengths, checksum), the attempt as JSON, and the photo's bytes. What a killed writer left
half-written at the end of its segment does not pass the check and is as if it had never been.
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

from clip_pipeline.storage.disk import sync_path

MARK = b"CPJ1"
HEADER = struct.Struct("<4sIII")


@dataclass(frozen=True)
class Entry:
    """Where a record lies. segment: number of its file. offset: of its header, in bytes; the lengths are those of the JSON
    and of the photo."""

    segment: int
    offset: int
    about_bytes: int
    photo_bytes: int


class Segment:
    """One writer's file of a journal. `append` is safe from several threads."""

    def __init__(self, folder: Path):
        self.number, self._descriptor = _new_file(folder)
        self._offset = 0
        self._lock = Lock()

    def append(self, about: bytes, photo: bytes) -> Entry:
        """Writes one record and says where; the operating system has it then, whatever becomes of this process."""
        header = HEADER.pack(MARK, len(about), len(photo), zlib.crc32(photo, zlib.crc32(about)))
        record = b"".join((header, about, photo))
        with self._lock:
            offset = self._offset
            rest = memoryview(record)
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
            self._offset += len(record)
        return Entry(self.number, offset, len(about), len(photo))

    def close(self) -> None:
        """Gives the file back; further calls do nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _new_file(folder: Path) -> tuple[int, int]:
    """(number, descriptor) of a file that no other writer, alive or dead, has used."""
    number = os.getpid() * 100  # so that two processes seldom try the same
    while True:
        try:
            return number, os.open(_path(folder, number), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        except FileExistsError:
            number += 1


def _path(folder: Path, number: int) -> Path:
    return folder / f"{number}.journal"


class Journal:
    """All segments of one shard, by the photo's id and url.

    still_holds: says of an attempt that an earlier run made whether it counts, as if it had never been made where it does not.
    """

    def __init__(self, folder: Path, still_holds: Callable[[dict[str, Any]], bool] = lambda about: True):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._entries: dict[tuple[str, str], Entry] = {}
        for path in sorted(folder.glob("*.journal")):
            for entry, about in _whole_records(path):
                # a photo that stands in for what a decoder refused lies in another segment than the refusal
                if still_holds(about) and (about.get("status") == "success" or (about["id"], about["url"]) not in self):
                    self._entries[about["id"], about["url"]] = entry
        self._own: Segment | None = None
        self._open: dict[int, int] = {}

    def __contains__(self, photo: tuple[str, str]) -> bool:
        return photo in self._entries

    def write(self, about: dict[str, Any], photo: bytes = b"") -> None:
        """Appends an attempt to this process's own segment."""
        if self._own is None:
            self._own = Segment(self.folder)
        entry = self._own.append(json.dumps(about).encode(), photo)
        self._entries[about["id"], about["url"]] = entry

    def add(self, photo: tuple[str, str], entry: Entry) -> None:
        """Takes note of an attempt that another process has written."""
        self._entries[photo] = entry

    def read(self, photo: tuple[str, str]) -> tuple[dict[str, Any], bytes]:
        """(attempt, photo's bytes)."""
        entry = self._entries[photo]
        if entry.segment not in self._open:
            self._open[entry.segment] = os.open(_path(self.folder, entry.segment), os.O_RDONLY)
        size = entry.about_bytes + entry.photo_bytes
        record = os.pread(self._open[entry.segment], size, entry.offset + HEADER.size)
        return json.loads(record[: entry.about_bytes]), record[entry.about_bytes :]

    def close(self) -> None:
        """Gives the files back."""
        for descriptor in self._open.values():
            os.close(descriptor)
        self._open.clear()
        if self._own is not None:
            self._own.close()
            self._own = None


def _whole_records(path: Path) -> Iterator[tuple[Entry, dict[str, Any]]]:
    """The records of a segment up to the first that is cut or damaged; none of what is no segment."""
    if not path.is_file() or not path.stem.isdecimal():
        return
    offset, size = 0, path.stat().st_size
    with path.open("rb") as file:
        while len(header := file.read(HEADER.size)) == HEADER.size:
            mark, about_bytes, photo_bytes, checksum = HEADER.unpack(header)
            if mark != MARK or about_bytes + photo_bytes > size:  # which is not asked for: it would take memory
                return
            record = file.read(about_bytes + photo_bytes)
            if len(record) < about_bytes + photo_bytes or zlib.crc32(record) != checksum:
                return
            yield Entry(int(path.stem), offset, about_bytes, photo_bytes), json.loads(record[:about_bytes])
            offset += HEADER.size + len(record)


def journal_attempts(path: Path) -> list[dict[str, Any]]:
    """The attempts in one segment."""
    return [about for _, about in _whole_records(path)]


def without_records(path: Path, gone: Callable[[dict[str, Any]], bool]) -> None:
    """Writes a segment anew without the records that gone(attempt) names and without what was cut at its end, in one step; leaves
    alone one that has neither."""
    records = list(_whole_records(path))
    kept = [entry for entry, about in records if not gone(about)]
    whole = sum(HEADER.size + entry.about_bytes + entry.photo_bytes for entry in kept)
    if whole == path.stat().st_size:
        return
    temporary = path.with_suffix(".part")
    with path.open("rb") as old, temporary.open("wb") as new:
        for entry in kept:
            old.seek(entry.offset)
            new.write(old.read(HEADER.size + entry.about_bytes + entry.photo_bytes))
    sync_path(temporary)
    temporary.replace(path)
