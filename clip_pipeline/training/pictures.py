"""Photos decoded once, to exactly what the model sees, in one memory-mapped file."""

from __future__ import annotations

import hashlib
import io
import json
import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from clip_pipeline.errors import PhotosError, TrainingError
from clip_pipeline.progress import progress

if TYPE_CHECKING:
    import numpy as np

logger = logging.getLogger(__name__)

PHOTOS_AT_A_TIME = 512


def decode_picture(content: bytes, size: int, resize_mode: str) -> np.ndarray:
    """(size, size, 3) uint8: the same pixels that open_clip's preprocessing gives before it normalises them.

    resize_mode: squash, or shortest (then the centre is cropped). Raises PIL's errors for bytes that are no picture.
    """
    import numpy as np
    from PIL import Image

    with Image.open(io.BytesIO(content)) as opened:
        picture = opened if opened.mode == "RGB" else opened.convert("RGB")
        if resize_mode == "squash":
            picture = picture.resize((size, size), Image.Resampling.BICUBIC)
        else:
            picture = _crop_centre(_resize_shortest_side(picture, size), size)
        return np.asarray(picture)


def _resize_shortest_side(picture, size: int):
    """torchvision's Resize(size): the longer side is cut to a whole pixel."""
    from PIL import Image

    width, height = picture.size
    shape = (size, int(size * height / width)) if width <= height else (int(size * width / height), size)
    return picture.resize(shape, Image.Resampling.BICUBIC)


def _crop_centre(picture, size: int):
    """torchvision's CenterCrop(size)."""
    left, top = (int(round((side - size) / 2.0)) for side in picture.size)
    return picture.crop((left, top, left + size, top + size))


def decode_pictures(
    photos: Iterable[tuple[str, bytes]],
    photo_ids: Sequence[str],
    size: int,
    resize_mode: str,
    work_folder: Path,
    workers: int = 0,
) -> np.ndarray:
    """(N, size, size, 3) uint8, memory-mapped, row i the picture of `photo_ids[i]`.

    photos: (id, JPEG bytes) in any order; others than `photo_ids` are passed over. workers: decoding threads, 0 is one a
    core. A finished file of an earlier, killed run is used again, and then `photos` is not read at all.
    Raises TrainingError when a photo is absent or cannot be decoded.
    """
    import numpy as np

    path = work_folder / f"pictures_{size}.npy"
    described_path = path.with_suffix(".json")
    described = {"ids": hashlib.sha256("\n".join(photo_ids).encode()).hexdigest(), "size": size, "mode": resize_mode}
    if path.is_file() and described_path.is_file() and json.loads(described_path.read_text()) == described:
        logger.info("Using the %s pictures that an earlier run decoded", f"{len(photo_ids):,}")
        return np.load(path, mmap_mode="r")
    described_path.unlink(missing_ok=True)
    rows = {photo_id: row for row, photo_id in enumerate(photo_ids)}
    pictures = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=(len(rows), size, size, 3))
    _reserve_disk(path)
    missing = set(rows)
    wanted = ((photo_id, content) for photo_id, content in photos if photo_id in rows)

    def decode(photo: tuple[str, bytes]) -> np.ndarray:
        try:
            return decode_picture(photo[1], size, resize_mode)
        except (OSError, ValueError, SyntaxError) as error:
            raise PhotosError(f"Photo {photo[0]} in the shards cannot be decoded: {error}.") from error

    with (
        ThreadPoolExecutor(workers or os.cpu_count() or 1) as pool,
        progress("Decoding pictures", total=len(rows), unit="picture") as bar,
    ):
        for chunk in _chunks(wanted, PHOTOS_AT_A_TIME):
            for (photo_id, _), picture in zip(chunk, pool.map(decode, chunk, chunksize=16), strict=True):
                pictures[rows[photo_id]] = picture
                missing.discard(photo_id)
            bar.advance(len(chunk))
    if missing:
        raise TrainingError(
            f"{len(missing):,} of {len(rows):,} photos of the pairs are not in the shards, such as {min(missing)}. "
            "Materialise image_shards and image_text_pairs again."
        )
    pictures.flush()
    # the description last: its presence means that the pictures are complete
    temporary = described_path.with_suffix(".tmp")
    temporary.write_text(json.dumps(described))
    temporary.replace(described_path)
    return np.load(path, mmap_mode="r")


def _reserve_disk(path: Path) -> None:
    """Claims the file's bytes now: writing to a mapped file on a full disk kills the process without a word."""
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as stream:
            os.posix_fallocate(stream.fileno(), 0, path.stat().st_size)


def _chunks(photos: Iterator[tuple[str, bytes]], size: int) -> Iterator[list[tuple[str, bytes]]]:
    while chunk := list(islice(photos, size)):
        yield chunk
