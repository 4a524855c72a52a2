"""Opens photos, wherever they lie: one door for a folder, tars, Parquet, arrays and lists."""

from __future__ import annotations

from collections.abc import Callable
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
from clip_pipeline.sources.photos.formats.tar_paths import holds_packed_tars, holds_tars, is_tar_name, is_tar_pattern
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
    - webdataset tars: one, a folder of them, or of folders of them, or a pattern (tars/{00..12}.tar); packed ones (.tar.gz, .tgz,
      .tar.bz2, .tar.xz, .tar.zst) are unpacked into the cache first;
    - a tar of a folder of the first kind, as it was;
    - one photo;
    - NAME.npy, an array (N, H, W) or (N, H, W, 3) of bytes;
    - NAME.parquet with the photos' files in a column, or a folder of such at any depth;
    - a folder of MNIST's idx files, or of CIFAR's batches of Python, or their tar.

    kind: "folder" or "tars" where it is known which is meant; "" looks. say: whether what lies in a folder and is no photo is a warning;
    `passed_over`, `metadata` and `table` count it anyway. Raises PhotosError for a path that is missing, that
    holds no photos or a broken tar, with what to do.
    """
    photos = _open(Path(path).expanduser(), captions or CaptionOptions(), columns or Columns(), kind)
    if say:
        photos.passed_over.say(str(path))
    return photos


def _open(path: Path, captions: CaptionOptions, columns: Columns, kind: str) -> Photos:
    if columns.keys and path.suffix.lower() != ".npy":
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
    for form in FOLDERS if path.is_dir() else FILES:
        photos = form(path, captions, columns)
        if photos is not None:
            return photos
    raise PhotosError(
        f"{path} is no photo, tar, array or table of photos. Files that end in {', '.join(PHOTO_ENDINGS)}, .tar, .tar.gz, .npy "
        "and .parquet are read; other archives must be unpacked first."
    )


def _photo(path: Path, captions: CaptionOptions, columns: Columns) -> Photos | None:
    return OnePhoto(path) if is_photo_name(path.name) else None


def _array(path: Path, captions: CaptionOptions, columns: Columns) -> Photos | None:
    if path.suffix.lower() != ".npy":
        return None
    return ArrayPhotos(path, Path(columns.keys) if columns.keys else None)


def _table(path: Path, captions: CaptionOptions, columns: Columns) -> Photos | None:
    return ParquetPhotos({"": path}, columns.image, columns.id) if _is_table(path) else None


def _cifar(path: Path, captions: CaptionOptions, columns: Columns) -> Photos | None:
    classes = cifar_classes(path)
    return open_cifar(path, classes) if classes else None


def _tar(path: Path, captions: CaptionOptions, columns: Columns) -> Photos | None:
    """One tar, packed or not, of a folder or of webdataset's samples."""
    if not is_tar_name(path.name):
        return None
    members = list(tar_members(path))
    samples, places = by_sample(members), files_below_root(members)
    if is_folder(places, samples):
        return FolderTarPhotos(path, places, captions)
    return TarPhotos(path, captions.caption_keys, samples)


def _folder_of_tars(folder: Path, captions: CaptionOptions, columns: Columns) -> Photos | None:
    return TarPhotos(folder, captions.caption_keys) if holds_tars(folder) else None


def _folder_of_photos(folder: Path, captions: CaptionOptions, columns: Columns) -> Photos:
    """Photos, or where there is none arrays or tables of them."""
    try:
        return FolderPhotos(folder, captions)
    except PhotosError:
        for form in WITHOUT_PHOTO_FILES:
            photos = form(folder, captions, columns)
            if photos is not None:
                return photos
        raise


def _folder_of_packed_tars(folder: Path, captions: CaptionOptions, columns: Columns) -> Photos | None:
    return TarPhotos(folder, captions.caption_keys) if holds_packed_tars(folder) else None


def _folder_of_tables(folder: Path, captions: CaptionOptions, columns: Columns) -> Photos | None:
    tables = {
        path.relative_to(folder).with_suffix("").as_posix(): path
        for path in sorted(folder.rglob("*"))
        if _is_table(path) and not path.name.startswith(".")
    }
    return ParquetPhotos(tables, columns.image, columns.id) if tables else None


def _idx(folder: Path, captions: CaptionOptions, columns: Columns) -> Photos | None:
    return open_idx(folder) if idx_files(folder) else None


def _is_table(path: Path) -> bool:
    return path.suffix.lower() in PARQUET_ENDINGS


Form = Callable[[Path, CaptionOptions, Columns], Photos | None]
"""Opens what lies at a path where it has this form, and else gives None. Raises PhotosError for one of this form that is broken."""

FILES: tuple[Form, ...] = (_photo, _array, _table, _cifar, _tar)
FOLDERS: tuple[Form, ...] = (_folder_of_tars, _folder_of_photos)
WITHOUT_PHOTO_FILES: tuple[Form, ...] = (_folder_of_tables, _idx, _cifar, _folder_of_packed_tars)
"""The forms in the order in which they are tried; the first that a path has is the one."""
