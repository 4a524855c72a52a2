"""Photos in a fixed order, each read when it is wanted: what every kind of input is made into."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np


class Photo(NamedTuple):
    """place: where it lies, for a person. read: its file's bytes, or an array (H, W) or (H, W, 3) of bytes; raises OSError."""

    id: str
    place: str
    read: Callable[[], bytes | np.ndarray]


@dataclass(frozen=True)
class PhotoInput:
    """total: how many. identity: a hash of the files' names, sizes and times: as long as it is the same, so are the photos.
    photos(): all of them, from the first, in an order that is always the same."""

    total: int
    identity: str
    photos: Callable[[], Iterator[Photo]]


def hash_files(paths: Iterable[Path]) -> str:
    """A hash of names, sizes and modification times."""
    states = [(str(path.absolute()), path.stat().st_size, path.stat().st_mtime_ns) for path in paths]
    return hashlib.sha256(json.dumps(states).encode()).hexdigest()
