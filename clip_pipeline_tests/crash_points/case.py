"""What is walked through: what lies there before, the command, and what must hold after it was killed and run again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path


def bytes_of(folder: Path) -> dict[str, str]:
    """sha256 of each file below a folder, hidden ones too; "" of an empty folder."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file():
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
        elif not any(path.iterdir()):
            found[name] = ""
    return {name: value for name, value in found.items() if not name.startswith("scratch")}


def scratch_left(folder: Path) -> list[str]:
    """What the command left of its temporary folders."""
    left = [path for path in (folder / "scratch").glob("*/*") if path.is_dir()]
    return [f"{path.relative_to(folder)} is left" for path in left]


@dataclass(frozen=True)
class Case:
    """prepare(folder): makes what is there before. command(folder): what is killed and run again. snapshot(folder): what must be equal.
    promises(folder): what else is broken, in words. at_point(folder): what is broken at a point, before the command is run again."""

    name: str
    prepare: Callable[[Path], None]
    command: Callable[[Path], None]
    snapshot: Callable[[Path], dict[str, str]] = bytes_of
    promises: Callable[[Path], list[str]] = field(default=scratch_left)
    at_point: Callable[[Path], list[str]] = field(default=lambda folder: [])
