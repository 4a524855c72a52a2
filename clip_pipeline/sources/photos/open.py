"""Opens photos, wherever they lie: one door for a folder, tars, Parquet, arrays and lists."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from clip_pipeline.errors import PhotosError
from clip_pipeline.sources.photos.captions import CaptionOptions
from clip_pipeline.sources.photos.formats.cifar import cifar_classes
from clip_pipeline.sources.photos.formats.folder import FolderPhotos, OnePhoto
from clip_pipeline.sources.photos.formats.folder_tar import FolderTarPhotos, files_below_root, is_folder
from clip_pipeline.sources.photos.formats.idx import idx_files
from clip_pipeline.sources.photos.formats.numpy_arrays import ArrayPhotos
from clip_pipeline.sources.photos.formats.parquet import ParquetPhotos
from clip_pipeline.sources.photos.formats.pixel_arrays import open_cifar, open_idx
from clip_pipeline.sources.photos.formats.tar_keys import by_sample
from clip_pipeline.sources.photos.formats.tar_members import tar_members
from clip_pipeline.sources.photos.formats.tar_paths import find_tars, holds_tars, is_tar_pattern
from clip_pipeline.sources.photos.formats.tars import TarPhotos
from clip_pipeline.sources.photos.names import PHOTO_ENDINGS, is_photo_name
from clip_pipeline.sources.photos.photos import Photos

PARQUET_ENDINGS = (".parquet", ".pq")


@dataclass(frozen=True)
class Columns:
    """What the columns of Parquet files are called, and where the ids of an array stand; empty finds them."""

    image: str = ""
    id: str = ""
    keys: str = ""


def open_photos(
    path: Path | str,
    captions: CaptionOptions | None = None,
    columns: Columns | None = None,
    kind: str = "",
    say: bool = True,
) -> Photos:
    """Opens photos without reading them. What lies at `path` may be

    - a folder of photos at any depth, with or without captions (`captioned_photos`), class folders, or folders of splits of them;
    - webdataset tars: one, a folder of them, or of folders of them, or a pattern (tars/{00..12}.tar);
    - a tar of a folder of the first kind, as it was;
    - one photo;
    - NAME.npy, an array (N, H, W) or (N, H, W, 3) of bytes;
    - NAME.parquet with the photos' files in a column, or a folder of such at any depth;
    - a folder of MNIST's idx files, or of CIFAR's batches of Python, or their tar.

    kind: "folder" or "tars" where it is known which is meant; "" looks. say: whether what lies in a folder and is no photo is a warning;
    `table` counts it anyway. Raises PhotosError for a path that is missing, that
    holds no photos or a broken tar, with what to do.
    """
    photos = _open(Path(path).expanduser(), captions or CaptionOptions(), columns or Columns(), kind)
    if say and isinstance(photos, FolderPhotos):
        photos.passed_over.say(str(path))
    return photos


def _open(path: Path, captions: CaptionOptions, columns: Columns, kind: str) -> Photos:
    ending = path.suffix.lower()
    if columns.keys and ending != ".npy":
        raise PhotosError(f"A file of keys goes with an array (.npy), and {path} is none. Leave the keys out.")
    if kind == "folder":
        return FolderPhotos(path, captions)
    if kind == "tars" or is_tar_pattern(path):
        return TarPhotos(path, captions.caption_keys)
    if not path.exists():
        raise PhotosError(
            f"There is no {path}. Give a photo, a folder of photos, a tar or a folder of tars, an array (.npy) or a table "
            "with photos (.parquet)."
        )
    if path.is_dir():
        return TarPhotos(path, captions.caption_keys) if holds_tars(path) else _open_folder(path, captions, columns)
    if is_photo_name(path.name):
        return OnePhoto(path)
    if ending == ".npy":
        return ArrayPhotos(path, Path(columns.keys) if columns.keys else None)
    if ending in PARQUET_ENDINGS:
        return ParquetPhotos({"": path}, columns.image, columns.id)
    if classes := cifar_classes(path):
        return open_cifar(path, classes)
    if ending == ".tar":
        return _open_tar(path, captions)
    raise PhotosError(
        f"{path} is no photo, tar, array or table of photos. Files that end in {', '.join(PHOTO_ENDINGS)}, .tar, .npy and "
        ".parquet are read; packed ones must be unpacked first."
    )


def _open_folder(folder: Path, captions: CaptionOptions, columns: Columns) -> Photos:
    """Photos, or where there is none arrays or tables of them."""
    try:
        return FolderPhotos(folder, captions)
    except PhotosError:
        tables = {
            path.relative_to(folder).with_suffix("").as_posix(): path
            for path in sorted(folder.rglob("*"))
            if path.suffix.lower() in PARQUET_ENDINGS and not path.name.startswith(".")
        }
        if tables:
            return ParquetPhotos(tables, columns.image, columns.id)
        if idx_files(folder):
            return open_idx(folder)
        if classes := cifar_classes(folder):
            return open_cifar(folder, classes)
        raise


def _open_tar(tar: Path, captions: CaptionOptions) -> Photos:
    """One tar, of a folder or of webdataset's samples."""
    find_tars(tar)  # raises for a file that is no tar
    members = list(tar_members(tar))
    samples, places = by_sample(members), files_below_root(members)
    if is_folder(places, samples):
        return FolderTarPhotos(tar, places, captions)
    return TarPhotos(tar, captions.caption_keys, samples)
