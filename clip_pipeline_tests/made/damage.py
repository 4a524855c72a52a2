"""Ways in which a file of the program's own may be damaged: for tests of what reads it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from hypothesis import strategies as st

KINDS = {
    "empty": b"",
    "cut": b'{\n "asset": "voc',
    "random bytes": bytes(range(256)),
    "a list": b"[1, 2]",
    "a number": b"7",
    "null": b"null",
    "wrong types": b'{"files": 3, "found": [], "decided_by": {}, "date": [1], "config": null}',
    "an empty object": b"{}",
    "deep nests": b"[" * 100_000,
    "deep objects": b'{"a":' * 100_000,
    "NaN": b'{"seconds": NaN, "files": Infinity}',
    "a number of 5,000 digits": b"9" * 5000,
    "a name twice": b'{"files": {}, "files": {}}',
    "not UTF-8": b'{"asset": "\xff\xfe"}',
    "UTF-16": '{"asset": "x"}'.encode("utf-16"),
    "a lone surrogate": b'{"asset": "\\ud800"}',
    "zeros": bytes(5000),
    "huge": b"",
    "a folder": b"",
    "a link": b"",
    "a dead link": b"",
    "a pipe": b"",
}
"""Contents by name; what has none is made in another way by `damage`."""


def damage(path: Path, kind: str) -> None:
    """Puts damage of that kind in the place of the file."""
    kept = path.with_name(f"{path.name}.kept")
    path.rename(kept)
    if kind == "a folder":
        (path / "inside").mkdir(parents=True)
    elif kind == "a link":
        path.symlink_to(kept)
        return
    elif kind == "a dead link":
        path.symlink_to("nowhere")
    elif kind == "a pipe":
        os.mkfifo(path)
    elif kind == "huge":
        with path.open("wb") as file:
            file.truncate(2**40)  # takes no room
    else:
        path.write_bytes(KINDS[kind])
    remove(kept)


def remove(path: Path) -> None:
    """Removes whatever lies there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@st.composite
def mutations(draw: st.DrawFn, content: bytes) -> bytes:
    """The content with one to three changes: a bit, a byte, a cut, a hole, bytes too many, a piece twice."""
    changed = bytearray(content)
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, max(len(changed) - 1, 0)))
        kind = draw(st.sampled_from(("bit", "byte", "cut", "hole", "insert", "twice")))
        if kind == "bit" and changed:
            changed[place] ^= 1 << draw(st.integers(0, 7))
        elif kind == "byte" and changed:
            changed[place] = draw(st.integers(0, 255))
        elif kind == "cut":
            del changed[place:]
        elif kind == "hole":
            del changed[place : place + draw(st.integers(1, 60))]
        elif kind == "insert":
            changed[place:place] = draw(st.binary(max_size=20))
        else:
            changed[place:place] = changed[place : place + draw(st.integers(1, 200))]
    return bytes(changed)
