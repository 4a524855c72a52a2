"""Small twins of published datasets, each in the form that its publisher gives it."""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from clip_pipeline.evaluation.datasets.entry import Entry, find_entry
from clip_pipeline_tests.made.tiny_model import jpeg


def small(name: str, photos: Mapping[str, int], per_class: Mapping[str, int] | None = None, **changes) -> Entry:
    """The entry of that name for a twin of so many photos."""
    return replace(find_entry(name), photos=photos, per_class=per_class or {}, **changes)


def idx_bytes(array: np.ndarray) -> bytes:
    """An IDX file of uint8."""
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def write_idx(folder: Path, counts: Mapping[str, int], packed: bool = True, side: int = 28) -> dict[str, np.ndarray]:
    """MNIST's four files; the labels go 0, 1, ... 9, 0, ... Returns the images by split."""
    folder.mkdir(parents=True, exist_ok=True)
    chance, images = np.random.default_rng(0), {}
    for split, stem in (("train", "train"), ("test", "t10k")):
        count = counts[split]
        images[split] = chance.integers(0, 256, (count, side, side), np.uint8)
        files = {"images-idx3": images[split], "labels-idx1": (np.arange(count) % 10).astype(np.uint8)}
        for kind, array in files.items():
            content = idx_bytes(array)
            path = folder / f"{stem}-{kind}-ubyte"
            if packed:
                path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(content))
            else:
                path.write_bytes(content)
    return images


def python_2_pickle(pixels: np.ndarray, labels: Sequence[int], key: str) -> bytes:
    """What Python 2 wrote of {"data": (N, 3072) uint8, key: labels}, as in CIFAR's files; Python 3 writes no such strings."""
    kind = b"cnumpy\ndtype\n" + _text(b"u1") + b"K\x00K\x01\x87R(K\x03" + _text(b"|") + b"NNN"
    kind += _number(-1) + _number(-1) + b"K\x00tb"
    array = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85" + _text(b"b") + b"\x87R(K\x01"
    array += (
        _number(pixels.shape[0]) + _number(pixels.shape[1]) + b"\x86" + kind + b"\x89" + _text(pixels.tobytes()) + b"tb"
    )
    listed = b"](" + b"".join(map(_number, labels)) + b"e"
    return b"\x80\x02}(" + _text(b"data") + array + _text(key.encode()) + listed + b"u."


def _text(content: bytes) -> bytes:
    short = len(content) < 256
    return (b"U" + bytes([len(content)]) if short else b"T" + struct.pack("<i", len(content))) + content


def _number(value: int) -> bytes:
    return b"J" + struct.pack("<i", value)


def write_cifar10(folder: Path, per_batch: int) -> np.ndarray:
    """CIFAR-10's six batches; returns the pixels of the test batch."""
    folder.mkdir(parents=True, exist_ok=True)
    chance = np.random.default_rng(0)
    pixels = np.zeros((0, 3072), np.uint8)
    for name in (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"):
        pixels = chance.integers(0, 256, (per_batch, 3072), np.uint8)
        (folder / name).write_bytes(python_2_pickle(pixels, [row % 10 for row in range(per_batch)], "labels"))
    return pixels


def write_photos(folder: Path, names: Sequence[str]) -> Path:
    """A JPEG of its own colour under each name."""
    for number, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(jpeg((number * 37 % 256, number * 91 % 256, 128)))
    return folder


def tar_of(folder: Path, path: Path) -> Path:
    """A tar of a folder as `tar cf` writes it."""
    with tarfile.open(path, "w") as tar:
        tar.add(folder, folder.name)
    return path


def tar_bytes(members: Mapping[str, bytes], mode: str = "w") -> bytes:
    """A tar of those members; mode w:gz packs it."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()
