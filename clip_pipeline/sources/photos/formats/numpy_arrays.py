"""Images in one NumPy array, as MNIST and small research sets are often kept: N × H × W or N × H × W × 3 of bytes."""

from __future__ import annotations

import math
import os
import tokenize
import zipfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from clip_pipeline.errors import PhotosError
from clip_pipeline.sources.photos.names import NumberedNames
from clip_pipeline.sources.photos.photos import StoredPhotos
from clip_pipeline.sources.tables.text_files import lines_of, read_text

if TYPE_CHECKING:
    import numpy as np

MAX_HEADER_BYTES = 10_000
HEADER_ERRORS = (
    ValueError,
    TypeError,
    OverflowError,
    SyntaxError,
    RecursionError,
    MemoryError,
    LookupError,
    zipfile.BadZipFile,
    tokenize.TokenError,
)
"""What numpy raises over a header that is none; it is written as Python is."""

KEYS_ENDINGS = (".keys.txt", "_keys.txt", ".ids.txt", "_ids.txt")


class ArrayPhotos(StoredPhotos):
    """Rows of an array (N, H, W), (N, H, W, 1) or (N, H, W, 3) of uint8, named by a list of keys or by row numbers.

    They are read one at a time, from any thread: mapped, all that was read would count as our memory. keys: a text file, an id a
    line; without one NAME.keys.txt or NAME_keys.txt beside the array, and else the names are row numbers. Raises PhotosError
    for an array that holds no such images, and for keys that do not fit.
    """

    def __init__(self, path: Path, keys: Path | None = None):
        self._path = path
        self._shape, self._offset = _pixel_layout(path)
        self._keys = keys or next(
            (place for place in map(partial(_beside, path), KEYS_ENDINGS) if place.is_file()), None
        )
        count = self._shape[0]
        self.names = NumberedNames(count) if self._keys is None else _read_keys(self._keys, path, count)
        self._row_bytes = math.prod(self._shape[1:])
        self._descriptor = os.open(path, os.O_RDONLY)

    def files(self) -> list[Path]:
        """See `StoredPhotos`."""
        return [self._path, self._keys] if self._keys else [self._path]

    def place(self, row: int) -> str:
        """See `StoredPhotos`."""
        return f"{self._path}#{row}"

    def read(self, row: int) -> np.ndarray:
        """(H, W) or (H, W, 3) uint8. Raises OSError when the file has become shorter."""
        import numpy as np

        content = os.pread(self._descriptor, self._row_bytes, self._offset + row * self._row_bytes)
        if len(content) < self._row_bytes:
            raise OSError(f"{self._path} has become shorter")
        image = np.frombuffer(content, np.uint8).reshape(self._shape[1:])
        return image[:, :, 0] if image.shape[-1:] == (1,) and image.ndim == 3 else image

    def __del__(self) -> None:
        if hasattr(self, "_descriptor"):
            os.close(self._descriptor)


def _beside(path: Path, ending: str) -> Path:
    return path.with_name(path.stem + ending)


def _pixel_layout(path: Path) -> tuple[tuple[int, ...], int]:
    """(shape, where the rows begin). Raises PhotosError with what is wrong with the array and how to mend it."""
    import numpy as np

    try:
        with path.open("rb") as stream:
            start = stream.read(12)
        if (
            start[:6] == b"\x93NUMPY"
            and start[6:7] > b"\1"
            and int.from_bytes(start[8:12], "little") > MAX_HEADER_BYTES
        ):
            raise ValueError(
                "its header is longer than any of ours"
            )  # numpy would read it first, then look at its length
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, EOFError, *HEADER_ERRORS) as error:
        raise PhotosError(
            f"{path} cannot be read as an array ({str(error)[:100]}). Write it with numpy.save, whole and of plain numbers."
        ) from None
    if not isinstance(array, np.memmap):
        raise PhotosError(f"{path} holds several arrays, one was expected. Save the images alone with numpy.save.")
    what = f"{path} holds {array.dtype} of shape {' × '.join(map(str, array.shape)) or 'nothing'}"
    wanted = "N × H × W or N × H × W × 3 of uint8 were expected"
    if array.dtype != np.uint8:
        raise PhotosError(f"{what}; {wanted}. {_advice_on_numbers(array)}")
    if array.ndim == 4 and array.shape[1] in (1, 3) and array.shape[3] not in (1, 3):
        raise PhotosError(f"{what}; {wanted}. Save array.transpose(0, 2, 3, 1).")
    if array.ndim == 3 and array.shape[2] in (1, 3) and array.shape[0] > 3:
        raise PhotosError(f"{what}: one image? {wanted}. Save array[None].")
    if array.ndim == 2:
        raise PhotosError(f"{what}; {wanted}. Save array.reshape(-1, H, W).")
    if array.ndim not in (3, 4) or (array.ndim == 4 and array.shape[3] not in (1, 3)) or 0 in array.shape:
        raise PhotosError(f"{what}; {wanted}.")
    if not array.flags.c_contiguous:
        raise PhotosError(f"{path} is stored by columns. Save numpy.ascontiguousarray(array).")
    return array.shape, array.offset


NUMBERS_LOOKED_AT = 1_000_000


def _advice_on_numbers(array: np.ndarray) -> str:
    import numpy as np

    if array.dtype.kind == "f" and array.size:
        some = np.asarray(array.flat[:NUMBERS_LOOKED_AT], np.float64)
        if np.isnan(some).any():
            return "Some are not numbers (NaN): find out where they come from first."
        if some.min() >= 0 and some.max() <= 1:
            return "Save (array * 255).round().astype(numpy.uint8)."
        if some.min() < 0:
            return "They are normalised: save the images as they were before."
    return "Save the values of 0 to 255 with astype(numpy.uint8)."


def _read_keys(file: Path, path: Path, rows: int) -> list[str]:
    if not file.is_file():
        raise PhotosError(f"There is no file of keys {file}. Give a text file with an id a line.")
    ids = lines_of(read_text(file, PhotosError))
    if len(ids) != rows:
        raise PhotosError(f"{file} holds {len(ids):,} ids and {path} {rows:,} images. Give one id an image, in order.")
    return ids
