"""Photos read where they lie in the shards and decoded when their turn comes: for sets too large to be stored decoded."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from clip_pipeline.errors import ImageError, PhotosError, TrainingError
from clip_pipeline.training.data.image_format import ImageFormat, prepared_image

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


@dataclass(frozen=True)
class ShardPhotos:
    """Where photos lie: the tars by shard, and for every photo id its shard and key."""

    tars: Mapping[str, Path]
    place_of: Mapping[str, tuple[str, str]]


def shard_photos(pairs: pa.Table, tars: Mapping[str, Path]) -> ShardPhotos:
    """pairs: records.IMAGE_TEXT_PAIRS. tars: by the name of their shard."""
    columns = (pairs[name].to_pylist() for name in ("photo_id", "shard", "key"))
    return ShardPhotos(tars, {photo_id: (shard, key) for photo_id, shard, key in zip(*columns, strict=True)})


class StreamedImages:
    """Images of `photo_ids`, in that order, straight from the tars; 16 bytes of memory a photo.

    Opening it reads the headers of all tars. Raises PhotosError for a tar that is absent or cut, TrainingError for a photo
    that is in none.
    """

    def __init__(self, photos: ShardPhotos, photo_ids: Sequence[str], wanted: ImageFormat):
        import numpy as np

        self.photo_ids, self.format, self.shape, self.nbytes = photo_ids, wanted, wanted.shape, 0
        self._tars = [photos.tars[shard] for shard in sorted(photos.tars)]
        numbers = {shard: number for number, shard in enumerate(sorted(photos.tars))}
        places = [photos.place_of[photo_id] for photo_id in photo_ids]
        self._tar_of = np.array([numbers[shard] for shard, _ in places], dtype=np.int32)
        self._starts = np.zeros(len(photo_ids), dtype=np.int64)
        self._sizes = np.zeros(len(photo_ids), dtype=np.int32)
        for number, path in enumerate(self._tars):
            rows = np.flatnonzero(self._tar_of == number)
            if len(rows):
                found = _photo_places(path)
                for row in rows.tolist():
                    self._starts[row], self._sizes[row] = found.get(places[row][1], (0, 0))
        absent = np.flatnonzero(self._sizes == 0)
        if len(absent):
            raise TrainingError(
                f"{len(absent):,} of {len(photo_ids):,} photos of the pairs are not in the shards, such as "
                f"{photo_ids[absent[0]]}. Materialise image_shards and image_text_pairs again."
            )

    def __len__(self) -> int:
        return len(self.photo_ids)

    def read_into(self, row: int, image: np.ndarray) -> None:
        """Fills `image`, (H, W, 3) uint8. Raises PhotosError for a photo that cannot be decoded, TrainingError for a
        tar that has become shorter."""
        path, size = self._tars[self._tar_of[row]], int(self._sizes[row])
        file = os.open(path, os.O_RDONLY)
        try:
            content = os.pread(file, size, int(self._starts[row]))
        finally:
            os.close(file)
        if len(content) != size:
            raise TrainingError(f"{path} became shorter while it was read. Make or download it again.")
        try:
            image[...] = prepared_image(content, self.format)
        except ImageError as error:
            raise PhotosError(f"Photo {self.photo_ids[row]} in {path.name} cannot be decoded: {error}.") from error


def _photo_places(path: Path) -> dict[str, tuple[int, int]]:
    """{key: (offset, bytes)} of the photos of one tar."""
    from clip_pipeline.sources.photos.formats.tar_index import read_tar_index
    from clip_pipeline.sources.photos.formats.tar_keys import photo_ending

    try:
        members = read_tar_index(path, ended=True)
    except FileNotFoundError:
        raise PhotosError(f"{path} does not exist. Materialise image_shards again.") from None
    return {key: endings[photo_ending(endings)] for key, endings in members.items()}
