"""What photos are opened as, wherever they lie: their names, what is known of them, and the bytes of each."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from clip_pipeline.display.left_out import LeftOut
from clip_pipeline.errors import PhotosError

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


class Photo(NamedTuple):
    """name: as in `Photos.names`. place: where it lies, for a person. read: `Photos.read` of this photo."""

    name: str
    place: str
    read: Callable[[], bytes | np.ndarray]


@dataclass(frozen=True)
class Metadata:
    """What is known of photos besides their bytes; each list has one entry a photo, and is None where nothing is known.

    labels: indices into class_names, which is None for labels without names; None for a photo that is left out. splits: as folders,
    lists or columns call them, "" for a photo that they leave out. names_from: the file that names the classes, "" where they are
    names of folders. why_unknown: why there are neither labels nor captions. left_out: photos and files that are left out, which
    whoever asked says.
    """

    labels: Sequence[int | None] | None = None
    class_names: list[str] | None = None
    captions: list[list[str]] | None = None
    splits: list[str] | None = None
    names_from: str = ""
    why_unknown: str = ""
    left_out: LeftOut = field(default_factory=LeftOut)


class Photos(Protocol):
    """Photos in an order that is always the same, each read when it is wanted; `open_photos` makes them.

    Iterating goes through all of them, as often as one likes; of tars and tables without a list of them in memory. Threads may
    read at once.
    """

    @property
    def names(self) -> Sequence[str]:
        """One a photo, no two alike."""

    @property
    def passed_over(self) -> LeftOut:
        """What lies among the photos and is none, known since they were opened; `metadata` has it too."""

    @property
    def metadata(self) -> Metadata:
        """Read when it is first asked for. Raises CaptionsError, PhotosError for captions and labels that cannot be read."""

    @property
    def identity(self) -> str:
        """A hash of the files' names, sizes and times: as long as it is the same, so are the photos."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Photo]: ...

    def read(self, row: int) -> bytes | np.ndarray:
        """The bytes of one photo's file as they are, or of arrays its pixels, (H, W) or (H, W, 3) uint8. Raises OSError for a
        photo that has gone or cannot be read."""

    def table(self, counts: LeftOut) -> Iterator[pa.Table]:
        """PHOTO_FIELDS of the photos, in pieces, with urls that `LocalPhotos` reads or that are on the web; what is missing is
        counted in `counts`. Raises PhotosError where photos have no urls, CaptionsError as `metadata`."""


class StoredPhotos:
    """What most kinds of photos have in common. A kind gives `names`, `files` and `read`."""

    names: Sequence[str]

    def files(self) -> Iterable[Path]:
        """The files that the photos are read from."""
        raise NotImplementedError

    def read(self, row: int) -> bytes | np.ndarray:
        """See `Photos`."""
        raise NotImplementedError

    def place(self, row: int) -> str:
        """Where a photo lies, for a person."""
        return self.names[row]

    @functools.cached_property
    def passed_over(self) -> LeftOut:
        """See `Photos`."""
        return LeftOut()

    @property
    def metadata(self) -> Metadata:
        """See `Photos`."""
        return Metadata()

    @property
    def identity(self) -> str:
        """See `Photos`."""
        return hash_files(self.files())

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[Photo]:
        for row, name in enumerate(self.names):
            yield Photo(name, self.place(row), partial(self.read, row))

    def table(self, counts: LeftOut) -> Iterator[pa.Table]:
        """See `Photos`."""
        first = next(iter(self.files()))
        raise PhotosError(
            f"The photos of {first} have no files of their own, so they cannot be listed for a download. Unpack them into a "
            "folder or into webdataset tars."
        )


def hash_files(paths: Iterable[Path]) -> str:
    """A hash of names, sizes and modification times."""
    states = [(str(path.absolute()), path.stat().st_size, path.stat().st_mtime_ns) for path in paths]
    return hashlib.sha256(json.dumps(states).encode()).hexdigest()
