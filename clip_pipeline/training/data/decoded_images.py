"""Photos as training reads them: decoded once into one file, from which any image is read alone."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from clip_pipeline.errors import ImageError, PhotosError, TrainingError
from clip_pipeline.machine.cores import usable_cores
from clip_pipeline.machine.progress import progress
from clip_pipeline.storage.disk import sync_path, write_synced
from clip_pipeline.training.data.image_format import ImageFormat, prepared_image

if TYPE_CHECKING:
    import numpy as np

logger = logging.getLogger(__name__)

IMAGES_FILE, IDS_FILE, ABOUT_FILE = "images.npy", "photo_ids.parquet", "images.json"
PHOTOS_AT_A_TIME = 256


class ImageSource(Protocol):
    """Images in rows, each read alone, from any thread."""

    shape: tuple[int, int]
    nbytes: int
    photo_ids: Sequence[str]

    def __len__(self) -> int: ...

    def read_into(self, row: int, image: np.ndarray) -> None:
        """Fills `image`, (H, W, 3) uint8. Raises PhotosError for a photo that cannot be decoded."""


class StoredImages:
    """The images that `store_images` wrote, those of `photo_ids` in that order.

    They are read, not mapped: what was read once does not count as this process's memory, and a damaged disk is an error
    with a name instead of a signal.
    """

    def __init__(self, folder: Path, photo_ids: Sequence[str], wanted: ImageFormat):
        import numpy as np

        about = _read_about(folder)
        if about is None or about["format"] != wanted.described():
            found = "nothing that is whole" if about is None else f"images as {ImageFormat(**about['format']).name}"
            raise TrainingError(
                f"{folder} holds {found}, expected images as {wanted.name}. Materialise decoded_images again."
            )
        self.shape, self.photo_ids = wanted.shape, photo_ids
        self._rows = _rows_of(folder / IDS_FILE, photo_ids)
        self.path = folder / IMAGES_FILE
        with self.path.open("rb") as stream:
            np.lib.format.read_magic(stream)
            np.lib.format.read_array_header_1_0(stream)
            self._first = stream.tell()
        self._image_bytes = wanted.nbytes
        self.nbytes = self._image_bytes * len(photo_ids)
        self._file = os.open(self.path, os.O_RDONLY)

    def __len__(self) -> int:
        return len(self._rows)

    def __del__(self) -> None:
        if hasattr(self, "_file"):
            os.close(self._file)

    def read_into(self, row: int, image: np.ndarray) -> None:
        """Fills `image`, (H, W, 3) uint8, contiguous. Raises TrainingError where the file ends too early."""
        place = self._first + int(self._rows[row]) * self._image_bytes
        if os.preadv(self._file, [image.data], place) != self._image_bytes:
            raise TrainingError(f"{self.path} ends before its {len(self):,} images. Materialise decoded_images again.")


def _rows_of(stored: Path, photo_ids: Sequence[str]) -> np.ndarray:
    """Where each photo stands in the list of a file. Raises TrainingError for one that does not."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    with pq.ParquetFile(stored) as file:  # read_table would bring in Arrow's datasets, 40 MB
        ids = file.read(use_threads=False)["photo_id"]
    rows = pc.index_in(pa.array(photo_ids, pa.string()), ids)
    if rows.null_count:
        absent = photo_ids[pc.index(rows.is_null(), True).as_py()]
        raise TrainingError(
            f"Photo {absent} of the pairs is not among the stored images. Materialise decoded_images again."
        )
    return rows.to_numpy()


def store_images(
    photos: Iterable[tuple[str, bytes]], photo_ids: Sequence[str], wanted: ImageFormat, folder: Path, workers: int = 0
) -> None:
    """Writes images.npy, (N, H, W, 3) uint8, row i the image of `photo_ids[i]`, and the ids beside it.

    photos: (id, JPEG bytes) in any order; others than `photo_ids` are passed over. workers: decoding threads, 0 is one a
    core. What a finished, then killed run left is used again, and then `photos` is not read at all.
    Raises TrainingError when a photo is absent, PhotosError when one cannot be decoded.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    about = {
        "format": wanted.described(),
        "photos": len(photo_ids),
        "ids": hashlib.sha256("\n".join(photo_ids).encode()).hexdigest(),
    }
    if _read_about(folder) == about and all((folder / name).is_file() for name in (IMAGES_FILE, IDS_FILE)):
        logger.info("Using the %s images that an earlier run decoded", f"{len(photo_ids):,}")
        return
    (folder / ABOUT_FILE).unlink(missing_ok=True)
    path = folder / IMAGES_FILE
    rows = {photo_id: row for row, photo_id in enumerate(photo_ids)}
    with path.open("wb") as stream:
        shape = (len(rows), *wanted.shape, 3)
        np.lib.format.write_array_header_1_0(stream, {"descr": "|u1", "fortran_order": False, "shape": shape})
        first = stream.tell()
    image_bytes = wanted.nbytes
    _reserve_disk(path, first + image_bytes * len(rows))
    missing = set(rows)
    chosen = ((photo_id, content) for photo_id, content in photos if photo_id in rows)

    with (
        path.open("r+b") as images,
        ThreadPoolExecutor(workers or usable_cores()) as pool,
        progress("Decoding images", total=len(rows), unit="image") as bar,
    ):

        def store(photo: tuple[str, bytes]) -> None:
            try:
                image = prepared_image(photo[1], wanted)
            except ImageError as error:
                raise PhotosError(f"Photo {photo[0]} in the shards cannot be decoded: {error}.") from error
            os.pwrite(images.fileno(), np.ascontiguousarray(image).data, first + rows[photo[0]] * image_bytes)

        for chunk in _chunks(chosen, PHOTOS_AT_A_TIME):
            for (photo_id, _), _ in zip(chunk, pool.map(store, chunk), strict=True):
                missing.discard(photo_id)
            bar.advance(len(chunk))
    if missing:
        raise TrainingError(
            f"{len(missing):,} of {len(rows):,} photos of the pairs are not in the shards, such as {min(missing)}. "
            "Materialise image_shards and image_text_pairs again."
        )
    pq.write_table(pa.table({"photo_id": pa.array(photo_ids, pa.string())}), folder / IDS_FILE, compression="zstd")
    for name in (IMAGES_FILE, IDS_FILE):
        sync_path(folder / name)
    # the description last: its presence means that the images are complete
    temporary = folder / f"{ABOUT_FILE}.tmp"
    write_synced(temporary, json.dumps(about, indent=1, sort_keys=True))
    temporary.replace(folder / ABOUT_FILE)


def _read_about(folder: Path) -> dict[str, Any] | None:
    try:
        return json.loads((folder / ABOUT_FILE).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):  # none, or damaged since: the images are decoded again
        return None


def _reserve_disk(path: Path, size: int) -> None:
    """Claims the file's bytes now: better a full disk at the start than after hours of decoding."""
    with path.open("r+b") as stream:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(stream.fileno(), 0, size)
        else:
            stream.truncate(size)


def _chunks(photos: Iterator[tuple[str, bytes]], size: int) -> Iterator[list[tuple[str, bytes]]]:
    while chunk := list(islice(photos, size)):
        yield chunk
