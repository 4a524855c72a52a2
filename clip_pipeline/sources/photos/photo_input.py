"""Photos one after the other, from wherever they lie, without a list of all that is known of them in memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from clip_pipeline.errors import PhotosError
from clip_pipeline.sources.photos.folder import find_photos
from clip_pipeline.sources.photos.image_set import open_image_set
from clip_pipeline.sources.photos.names import is_photo_name, photo_ids
from clip_pipeline.sources.photos.numpy_arrays import open_pixel_array
from clip_pipeline.sources.photos.parquet import open_parquet_photos
from clip_pipeline.sources.photos.photo_sequence import Photo, PhotoInput, hash_files
from clip_pipeline.sources.photos.tar_index import photo_place, read_place, read_tar_index, sample_id
from clip_pipeline.sources.photos.tar_paths import find_tars, holds_tars, is_tar_pattern, tar_path, tar_root

PARQUET_ENDINGS = (".parquet", ".pq")


@dataclass(frozen=True)
class Columns:
    """What the columns of Parquet files are called, and where the ids of an array stand; empty finds them."""

    image: str = ""
    id: str = ""
    keys: str = ""


def open_photo_input(path: Path, columns: Columns | None = None) -> PhotoInput:
    """Opens photos without reading them. What lies at `path` may be

    - a folder of photos at any depth, one photo, or what `open_image_set` reads of one tar;
    - webdataset tars: a folder of them, or of folders of them, or a pattern (tars/{00..12}.tar);
    - NAME.npy, an array (N, H, W) or (N, H, W, 3) of bytes (`pixel_arrays`);
    - NAME.parquet with the photos' files in a column, or a folder of such at any depth (`parquet_photos`).

    Ids are those of `open_image_set` where that reads it. Raises PhotosError for anything else, with what to do.
    """
    path, columns = Path(path).expanduser(), columns or Columns()
    ending = path.suffix.lower()
    if columns.keys and ending != ".npy":
        raise PhotosError(f"A file of keys goes with an array (.npy), and {path} is none. Leave the keys out.")
    if is_tar_pattern(path):
        return _open_tars(path)
    if not path.exists():
        raise PhotosError(
            f"There is no {path}. Give a photo, a folder of photos, a tar or a folder of tars, an array (.npy) or a table "
            "with photos (.parquet)."
        )
    if path.is_dir():
        return _open_tars(path) if holds_tars(path) else _open_folder(path, columns)
    if ending == ".npy":
        return open_pixel_array(path, Path(columns.keys) if columns.keys else None)
    if ending in PARQUET_ENDINGS:
        return open_parquet_photos({"": path}, columns.image, columns.id)
    if ending == ".tar" or is_photo_name(path.name):
        photos = open_image_set(path, with_captions=False)
        listed = [Photo(one, one, partial(photos.read, row)) for row, one in enumerate(photos.ids)]
        return PhotoInput(len(listed), hash_files([path]), lambda: iter(listed))
    raise PhotosError(
        f"{path} is no photo, tar, array or table of photos. Files that end in .jpg, .png, .webp, .gif, .bmp, .tif, .tar, .npy "
        "and .parquet are read; packed ones must be unpacked first."
    )


def _open_folder(folder: Path, columns: Columns) -> PhotoInput:
    """Photos, or where there is none tables of them."""
    try:
        names = find_photos(folder)
    except PhotosError:
        tables = {
            path.relative_to(folder).with_suffix("").as_posix(): path
            for path in sorted(folder.rglob("*"))
            if path.suffix.lower() in PARQUET_ENDINGS and not path.name.startswith(".")
        }
        if not tables:
            raise
        return open_parquet_photos(tables, columns.image, columns.id)

    def photos() -> Iterator[Photo]:
        for name, one in zip(names, photo_ids(names), strict=True):
            yield Photo(one, str(folder / name), (folder / name).read_bytes)

    return PhotoInput(len(names), hash_files(folder / name for name in names), photos)


def _open_tars(path: Path) -> PhotoInput:
    """The headers of all tars are read at once, so that a damaged one is told before an hour's work, and then again one by
    one: their places would take half a kilobyte a photo."""
    root, names = tar_root(path), find_tars(path)
    total = sum(
        1 for name in names for members in read_tar_index(tar_path(root, name)).values() if photo_place(members)
    )
    if not total:
        raise PhotosError(f"The tars in {path} hold no photos. Members KEY.jpg, KEY.png or KEY.webp were expected.")

    def photos() -> Iterator[Photo]:
        for name in names:
            tar = tar_path(root, name)
            for key, members in sorted(read_tar_index(tar).items()):
                if place := photo_place(members):
                    yield Photo(sample_id(name, key), f"{tar}#{key}", partial(read_place, tar, place))

    return PhotoInput(total, hash_files(tar_path(root, name) for name in names), photos)
