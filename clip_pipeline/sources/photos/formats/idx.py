"""IDX files, the form of MNIST: two zero bytes, the type of the numbers, how many dimensions, their sizes, then the numbers."""

from __future__ import annotations

import io
import math
import struct
from pathlib import Path
from typing import BinaryIO

import numpy as np

from clip_pipeline.errors import PhotosError
from clip_pipeline.machine.file_kinds import looks_like
from clip_pipeline.sources.wikimedia.compression import ByteStream, decompressed, read_range

TYPES = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
GZIP = b"\x1f\x8b"
MAX_NUMBERS = 1 << 40
MAX_HEADER = 4 + 4 * 255


IDX_STEMS = {"train": "train", "test": "t10k"}
IDX_PLACES = ("", "raw", "MNIST/raw", "FashionMNIST/raw")
"""The folder itself, and where torchvision puts the files below its own."""


def idx_files(path: Path) -> dict[str, tuple[Path, Path]]:
    """(images, labels) by split, train before test; empty where there are none. Raises PhotosError for one alone."""
    for place in IDX_PLACES:
        found = {}
        for split, stem in IDX_STEMS.items():
            images, labels = (_first_file(path / place, stem, kind) for kind in ("images-idx3", "labels-idx1"))
            if images and labels:
                found[split] = (images, labels)
            elif images or labels:
                there, missing = (images, "labels-idx1") if images else (labels, "images-idx3")
                raise PhotosError(f"{there} has no {stem}-{missing}-ubyte beside it. Put both into one folder.")
        if found:
            return found
    return {}


def _first_file(folder: Path, stem: str, kind: str) -> Path | None:
    names = [f"{stem}-{one}-ubyte{ending}" for one in (kind, kind.replace("-idx", ".idx")) for ending in ("", ".gz")]
    return next((folder / name for name in names if (folder / name).is_file()), None)


def idx_shape(path: Path) -> tuple[int, ...]:
    """The sizes of an IDX file's dimensions, by its header alone. Raises PhotosError for what is no IDX file."""
    return _header(path)[1]


def read_idx(path: Path) -> np.ndarray:
    """The numbers of an IDX file: of a plain one still on the disk (a memory map), of a .gz in memory.

    Raises PhotosError for what is no IDX file and for one that is cut or longer than it says.
    """
    kind, shape, start = _header(path)
    wanted = start + math.prod(shape) * kind.itemsize
    if not _is_packed(path):
        found = path.stat().st_size
        _check_length(path, found, wanted)
        return np.memmap(path, kind, "r", start, shape) if found > start else np.zeros(shape, kind)
    try:
        with _unpacked(path) as stream:
            content = stream.read(wanted + 1)
    except OSError as error:
        raise PhotosError(f"{path} is damaged or cut ({error}). Get it again.") from error
    _check_length(path, len(content), wanted)
    return np.frombuffer(content, kind, offset=start).reshape(shape)


def _check_length(path: Path, found: int, wanted: int) -> None:
    if found != wanted:
        raise PhotosError(
            f"{path} holds {'less' if found < wanted else 'more'} than the {wanted:,} bytes that it says. Get it again."
        )


def _header(path: Path) -> tuple[np.dtype, tuple[int, ...], int]:
    """(type, shape, where the numbers begin)."""
    try:
        with _unpacked(path) if _is_packed(path) else path.open("rb") as stream:
            start = stream.read(MAX_HEADER)
    except OSError as error:
        raise PhotosError(f"{path} cannot be read ({error}). Get it again.") from error
    if len(start) >= 4 and start[:2] == b"\0\0" and start[2] in TYPES and start[3] and len(start) >= 4 + 4 * start[3]:
        shape = struct.unpack(f">{start[3]}I", start[4 : 4 + 4 * start[3]])
        if math.prod(shape) > MAX_NUMBERS:
            raise PhotosError(
                f"{path} says that it holds more than {MAX_NUMBERS:,} numbers, which is none of ours. Get it again."
            )
        return np.dtype(TYPES[start[2]]), shape, 4 + 4 * start[3]
    raise PhotosError(
        f"{path} is no idx file, it looks like {looks_like(start)}. Files such as train-images-idx3-ubyte.gz were expected."
    )


def _unpacked(path: Path) -> BinaryIO:
    """What a gzip holds, as it is read. Raises PhotosError while it is read where it is damaged or has no end."""
    pieces = decompressed(read_range(path, 0, path.stat().st_size), "gzip", str(path), PhotosError)
    return io.BufferedReader(ByteStream(pieces, path.name), 1 << 18)


def _is_packed(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(2) == GZIP
