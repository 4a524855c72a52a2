"""Names of columns, no two alike: what stands twice in a header, a schema or an object hides nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def distinct_columns(names: Sequence[str]) -> list[str]:
    """The second column `caption` becomes `caption 2`, so that none hides another."""
    columns: list[str] = []
    for name in names:
        number = 1
        while name and (name if number == 1 else f"{name} {number}") in columns:
            number += 1
        columns.append(name if number == 1 else f"{name} {number}")
    return columns


def may_repeat(value: Any, colons: int) -> bool:
    """Whether an object may have lost a name that stands twice: it has fewer members than its text has `":`. Decoding all objects with
    `distinct_members` takes twice as long, so only these are decoded again."""
    return isinstance(value, dict) and colons > len(value)


def distinct_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON from its members, a name that stands twice as in `distinct_columns`; for `json.loads(object_pairs_hook=)`."""
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    return dict(zip(distinct_columns([name for name, _ in pairs]), (value for _, value in pairs), strict=True))
