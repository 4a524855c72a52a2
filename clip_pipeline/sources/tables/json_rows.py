"""Rows of JSON that is no list of objects: the forms in which pandas and publishers write tables, where only one reading is possible."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from clip_pipeline.sources.tables.json_stream import JsonStream

MEMBERS_LOOKED_AT = 1000
MAX_CELLS = 20_000_000
"""Of a table by columns, which is in memory as a whole."""
SPLITS = frozenset(("train", "training", "val", "valid", "validation", "dev", "test", "testing"))
NAMES_FILE = re.compile(r"\s*(https?://\S+|[^\n]*\.(jpe?g|png|webp|gif|bmp|tiff?|avif|ppm))\s*", re.IGNORECASE)


@dataclass(frozen=True)
class Member:
    """One member of an object. kind: as of `JsonStream`. first: the first element of a list, or the first value of an object, whose name
    is `key`. size: how many there are. texts: whether it is a text, or a list of texts alone."""

    name: str
    kind: str
    first: Any = None
    key: str = ""
    size: int = 0
    texts: bool = False

    @property
    def names_files(self) -> bool:
        """Whether the first of its values names a photo."""
        return isinstance(self.first, str) and NAMES_FILE.fullmatch(self.first) is not None


def look_at_members(stream: JsonStream) -> list[Member]:
    """The first members of the object that the stream stands before."""
    return [_member(stream, name) for name in itertools.islice(stream.members(), MEMBERS_LOOKED_AT)]


def _member(stream: JsonStream, name: str) -> Member:
    kind = stream.kind
    if kind == "[":
        first, size, texts = None, 0, True
        for value in stream.items():
            first = value if size == 0 else first
            texts = texts and isinstance(value, str)
            size += 1
        return Member(name, kind, first, "", size, texts)
    if kind == "{":
        first, key, size = None, "", 0
        for inner in stream.members():
            if size == 0:
                first, key = stream.value(), inner
            size += 1
        return Member(name, kind, first, key, size)
    value = stream.value()
    return Member(name, kind, value, "", 1, isinstance(value, str))


def form_of_members(members: list[Member]) -> str:
    """Which reading an object has: file (its names are photos), list (a member is a list of objects), splits (all are), columns, rows (its
    members are objects of one kind), captions (each is a text or texts); "" where none is sure."""
    lists = [one for one in members if one.kind == "[" and isinstance(one.first, dict)]
    if members and all(NAMES_FILE.fullmatch(one.name) for one in members):
        return "file" if all(one.kind in '"[{' for one in members) else ""
    if len(lists) == 1:
        return "list"
    if lists:
        return "splits" if all(one in lists and one.name.lower() in SPLITS for one in members) else ""
    if _columns(members):
        return "columns"
    if members and all(one.texts for one in members):
        return "captions"
    objects = all(one.kind == "{" and not isinstance(one.first, dict) for one in members)
    return "rows" if len(members) > 1 and objects and len({one.key for one in members}) == 1 else ""


def _columns(members: list[Member]) -> list[str]:
    """Names of the columns of a table that is written column by column, one of which names photos; empty where it is none."""
    for kind in "[{":
        columns = [one for one in members if one.kind == kind]
        alike = len({(one.size, one.key) for one in columns}) == 1
        scalars = all(one.kind not in "[{" for one in members if one.kind != kind)
        naming = sum(one.names_files for one in columns)
        by_index = kind == "{" and naming == len(columns)  # each is a row, whose first value is its file
        if len(columns) > 1 and alike and scalars and naming and not by_index:
            return [one.name for one in columns]
    return []


def rows_of_object(stream: JsonStream, form: str, members: list[Member]) -> Iterator[dict[str, Any]]:
    """The rows of the object that the stream stands before. members: those that `look_at_members` gave of it. Raises ValueError for a
    member of another kind than they."""
    if form == "columns":
        yield from _rows_of_columns(stream, _columns(members))
        return
    for name in stream.members():
        if form in ("list", "splits"):
            if stream.kind == "[":
                split = {"split": name} if form == "splits" else {}
                wanted = form == "splits" or any(one.name == name and isinstance(one.first, dict) for one in members)
                for row in stream.items() if wanted else ():
                    yield split | _object(row, name)
            continue
        value = stream.value()
        if form == "rows":
            yield {"key": name} | _object(value, name)
        elif form == "file" and isinstance(value, dict):
            yield {"url" if "://" in name else "file": name} | value
        elif isinstance(value, str | list) and (form == "file" or _texts(value)):
            yield {"url" if "://" in name else "file": name, "captions": value}
        else:
            raise ValueError(f'the member "{name[:100]}" is of another kind than the first')


def _texts(value: str | list) -> bool:
    return isinstance(value, str) or all(isinstance(one, str) for one in value)


def _object(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f'in "{name[:100]}" stands something that is no object')
    return value


def _rows_of_columns(stream: JsonStream, names: list[str]) -> Iterator[dict[str, Any]]:
    columns: dict[str, list[Any]] = {}
    for name in stream.members():
        if name not in names:
            continue
        values = stream.items() if stream.kind == "[" else (stream.value() for _ in stream.members())
        columns[name] = list(itertools.islice(values, MAX_CELLS // len(names) + 1))
        if len(columns[name]) > MAX_CELLS // len(names):
            raise ValueError(f"a table by columns of more than {MAX_CELLS:,} cells; write it as JSONL")
    for cells in zip(*columns.values(), strict=True):
        yield dict(zip(columns, cells, strict=True))
