"""CIFAR's Python version, batches pickled by Python 2 with nothing run that is in them, and its binary version."""

from __future__ import annotations

import io
import mmap
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from clip_pipeline.errors import PhotosError
from clip_pipeline.machine.bounded import read_bytes
from clip_pipeline.sources.photos.packed_tar import open_tar
from clip_pipeline.sources.tar_stream import TAR_ERRORS, read_member

BATCHES: dict[int, dict[str, tuple[str, ...]]] = {
    10: {"train": tuple(f"data_batch_{number}" for number in range(1, 6)), "test": ("test_batch",)},
    100: {"train": ("train",), "test": ("test",)},
}
"""Names of the files by number of classes and split."""

VERSIONS, BINARY = ("python", "binary"), ".bin"
LABELS = {10: b"labels", 100: b"fine_labels"}
PIXELS = 3 * 32 * 32
ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy._core.numeric", "_frombuffer"),
    ("numpy.core.numeric", "_frombuffer"),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("_codecs", "encode"),
}
"""All that a pickled array needs; a pickle could call anything else."""

PICKLE_ERRORS = (
    *(pickle.UnpicklingError, EOFError, ArithmeticError, LookupError, ValueError, TypeError, AttributeError),
    *(AssertionError, MemoryError, NotImplementedError, RecursionError),
)
"""What unpickling raises over damage."""

MAX_BATCH_BYTES = 200_000_000
"""Of a file. CIFAR-100's train has 155 MB."""


@dataclass(frozen=True)
class CifarBatch:
    """pixels(): (photos, 3072) of uint8, red then green then blue, each by rows. file_names: as the authors had them."""

    split: str
    labels: list[int]
    file_names: list[str]
    pixels: Callable[[], np.ndarray]


def has_cifar_batches(path: Path, classes: int) -> bool:
    """Whether a folder, or one in it, holds the files; or the path is a .tar.gz or .tar of that name."""
    if path.is_file():
        name = path.name.lower()
        return name.endswith((".tar.gz", ".tgz", ".tar")) and any(version in name for version in VERSIONS)
    return _folder_of(path, classes) is not None


def cifar_classes(path: Path) -> int:
    """Which CIFAR lies at a path, as its authors publish it: 10 or 100 classes, 0 for neither."""
    if path.is_file():
        name = path.name.lower()
        return next((n for n in BATCHES for version in VERSIONS if f"cifar-{n}-{version}" in name), 0)
    return next((classes for classes in BATCHES if has_cifar_batches(path, classes)), 0)


def cifar_files(path: Path, classes: int) -> list[Path]:
    """The files that `read_cifar` reads."""
    folder = None if path.is_file() else _folder_of(path, classes)
    return [path] if folder is None else list(_files_in(folder, classes).values())


def read_cifar(path: Path, classes: int) -> list[CifarBatch]:
    """The batches in a folder, or in the tar as it is published; a split that is not there is left out.

    Pixels of a folder stay on the disk, those of a tar are in memory (184 MB). Raises PhotosError for files that are missing
    or in another form.
    """
    batches = []
    if path.is_file():
        contents: dict[str, Path | bytes] = _tar_members(path, classes)
    else:
        folder = _folder_of(path, classes)
        if folder is None:
            raise PhotosError(f"{path} holds no {BATCHES[classes]['train'][0]}. Give the folder of the Python version.")
        contents = dict(_files_in(folder, classes))
    for split, names in BATCHES[classes].items():
        present = [name for name in names if name in contents]
        if present and len(present) < len(names):
            missing = ", ".join(name for name in names if name not in contents)
            raise PhotosError(f"{path} lacks {missing} of the {split} split. Get it again.")
        batches += [_read_batch(contents[name], name, split, classes) for name in present]
    return batches


def _folder_of(path: Path, classes: int) -> Path | None:
    names = ("batches-py", "python", "batches-bin", "binary")
    places = (path, *(path / f"cifar-{classes}-{name}" for name in names))
    test = BATCHES[classes]["test"][0]
    return next((place for place in places if (place / test).is_file() or (place / f"{test}{BINARY}").is_file()), None)


def _files_in(folder: Path, classes: int) -> dict[str, Path]:
    """The batches by name; the Python version where both are there."""
    found = {}
    for name in _all_names(classes):
        file = next((one for one in (folder / name, folder / f"{name}{BINARY}") if one.is_file()), None)
        if file is not None:
            found[name] = file
    return found


def _all_names(classes: int) -> list[str]:
    return [name for names in BATCHES[classes].values() for name in names]


def _tar_members(path: Path, classes: int) -> dict[str, Path | bytes]:
    wanted = set(_all_names(classes))
    found: dict[str, Path | bytes] = {}
    try:
        with open_tar(path, PhotosError) as (tar, entries):
            for entry in entries:
                name = entry.name.rpartition("/")[2]
                binary, name = name.endswith(BINARY), name.removesuffix(BINARY)
                if name in wanted and entry.isfile() and (stream := tar.extractfile(entry)):
                    if entry.size > MAX_BATCH_BYTES:
                        raise PhotosError(f"{path}: {name} has {entry.size:,} bytes, and is no batch. Get it again.")
                    content = read_member(stream, entry.size)
                    found[name] = _Binary(content) if binary else content
    except (OSError, *TAR_ERRORS) as error:
        raise PhotosError(f"{path} is no whole tar ({str(error)[:100]}). Get it again.") from error
    if not found:
        raise PhotosError(f"{path} holds none of {', '.join(sorted(wanted))}. Give the Python version of CIFAR.")
    return found


class _Binary(bytes):
    """A batch of the binary version that was in a tar."""


class _ArraysOnly(pickle._Unpickler):  # type: ignore[name-defined]
    """The one in Python, as that in C reserves memory for as many notes as the pickle says: 34 GB for 9 bytes."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module[:60]}.{name[:60]}")
        if module == "_codecs":
            return _encode
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)


def _encode(text: str, encoding: str) -> bytes:
    """How Python 3 pickles bytes for Python 2, and nothing else that a codec could do."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"it asks for the encoding {encoding!r:.60}")
    return text.encode("latin-1")


def _read_binary(source: Path | bytes, name: str, split: str, classes: int) -> CifarBatch:
    """A record is the label (of 100 classes the coarse one before it) and the pixels."""
    of_label = 2 if classes == 100 else 1
    if isinstance(source, Path):
        size = source.stat().st_size
        if not size % (of_label + PIXELS):
            rows = np.memmap(source, np.uint8, "r") if size else np.zeros(0, np.uint8)
    else:
        size, rows = len(source), np.frombuffer(source, np.uint8)
    if size % (of_label + PIXELS):
        raise PhotosError(
            f"{name}{BINARY} has {size:,} bytes, which are no whole photos of CIFAR-{classes} ({of_label + PIXELS:,} bytes each). Get it "
            "again."
        )
    records = rows.reshape(-1, of_label + PIXELS)
    labels = [int(label) for label in records[:, of_label - 1]]
    if labels and max(labels) >= classes:
        raise PhotosError(
            f"{name}{BINARY} has the label {max(labels)}, and CIFAR-{classes} none above {classes - 1}. Get it again."
        )
    return CifarBatch(split, labels, [], lambda: records[:, of_label:])


def _read_batch(source: Path | bytes, name: str, split: str, classes: int) -> CifarBatch:
    if isinstance(source, _Binary) or (isinstance(source, Path) and source.suffix == BINARY):
        return _read_binary(source, name, split, classes)
    try:
        content = source if isinstance(source, bytes) else read_bytes(source, PhotosError, MAX_BATCH_BYTES)
        batch = _ArraysOnly(io.BytesIO(content), encoding="bytes").load()
        pixels, labels = batch[b"data"], [int(label) for label in batch[LABELS[classes]]]
        names = [bytes(one).decode("ascii", "replace") for one in batch.get(b"filenames", [])]
    except PICKLE_ERRORS as error:
        raise PhotosError(
            f"{name} is no batch of CIFAR-{classes} ({type(error).__name__}: {str(error)[:100]}). Get it again, or give the "
            f"data set that it belongs to."
        ) from error
    if getattr(pixels, "dtype", None) != np.uint8 or pixels.shape != (len(labels), PIXELS):
        raise PhotosError(
            f"{name} holds pixels of shape {getattr(pixels, 'shape', None)} and {len(labels)} labels, expected "
            f"({len(labels)}, {PIXELS}) of uint8. Get it again."
        )
    place = None if isinstance(source, bytes) else _place_of_pixels(source, pixels)
    if place is None or isinstance(source, bytes):
        return CifarBatch(split, labels, names, lambda: pixels)
    file, shape = source, pixels.shape
    return CifarBatch(split, labels, names, lambda: np.memmap(file, np.uint8, "r", place, shape))


def _place_of_pixels(path: Path, pixels: np.ndarray) -> int | None:
    """Where the pixels lie in the file as they are; None where the pickle holds them in another form."""
    if not pixels.size:
        return None
    content = np.ascontiguousarray(pixels)
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as view:
        place = view.find(content[0].tobytes())
        whole = place >= 0 and np.array_equal(
            np.frombuffer(view[place : place + content.size], np.uint8), content.ravel()
        )
    return place if whole else None
