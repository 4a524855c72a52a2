"""A folder of photos at any depth: the simplest way to bring photos of one's own."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from clip_pipeline.display.left_out import LeftOut
from clip_pipeline.errors import CaptionsError, PhotosError
from clip_pipeline.sources.photos.caption_files import find_caption_files
from clip_pipeline.sources.photos.captions import (
    CaptionOptions,
    caption_files_of,
    captioned_photos,
    has_captions,
    texts_beside,
)
from clip_pipeline.sources.photos.classes import metadata_of_folder
from clip_pipeline.sources.photos.names import PHOTO_ENDINGS, is_photo_name, photo_ids
from clip_pipeline.sources.photos.photos import Metadata, StoredPhotos

BESIDE_PHOTOS = (
    *(".txt", ".csv", ".tsv", ".json", ".jsonl", ".parquet", ".token", ".md", ".html", ".xml", ".db", ".sha256", ".gz"),
    *(".caption", ".text", ".cls", ".npy", ".mat", ".yaml", ".yml", ".pdf"),
)
"""Endings of files that lie beside photos on purpose: they are passed over without a word."""

NO_PHOTO = "file that is no photo"


class FolderPhotos(StoredPhotos):
    """Photos at any depth below a folder (`find_photos`), named by their paths inside it, without endings.

    Metadata: classes, captions and splits (`metadata_of_folder`). Raises PhotosError for a folder without photos.
    """

    def __init__(self, folder: Path, options: CaptionOptions | None = None):
        self._folder, self._options = folder, options or CaptionOptions()
        self.passed_over = LeftOut()
        self._paths = find_photos(folder, self.passed_over)
        self.names = photo_ids(self._paths)

    def files(self) -> Iterator[Path]:
        """See `StoredPhotos`."""
        return (self._folder / path for path in self._paths)

    def read(self, row: int) -> bytes:
        """See `Photos`."""
        return (self._folder / self._paths[row]).read_bytes()

    def place(self, row: int) -> str:
        """See `StoredPhotos`."""
        return str(self._folder / self._paths[row])

    @functools.cached_property
    def metadata(self) -> Metadata:
        """See `Photos`."""
        found = metadata_of_folder(self._folder, self._paths, self._options)
        found.left_out.take(self.passed_over)
        return found

    def table(self, counts: LeftOut) -> Iterator[pa.Table]:
        """See `Photos`; one piece, sorted by url, as `captioned_photos` gives it."""
        counts.take(self.passed_over)
        yield captioned_photos(self._folder, self._paths, self._options, counts)


class OnePhoto(StoredPhotos):
    """A single photo, named without its ending. Nothing else is known of it."""

    def __init__(self, path: Path):
        self._path, self.names = path, [path.stem]

    def files(self) -> list[Path]:
        """See `StoredPhotos`."""
        return [self._path]

    def read(self, row: int) -> bytes:
        """See `Photos`."""
        return self._path.read_bytes()


def check_captions(photos: Sequence[pa.Table], folder: Path, options: CaptionOptions) -> None:
    """photos: of `FolderPhotos.table`. Raises CaptionsError where none has a caption: for whoever cannot do without."""
    if any(map(has_captions, photos)):
        return
    check_caption_files(folder, options)
    names = ", ".join(map(str, caption_files_of(folder, options))) or "NAME.txt beside each photo"
    raise CaptionsError(
        f"{names}: no caption for any of the {sum(map(len, photos)):,} photos of {folder}. Check the captions."
    )


def check_caption_files(folder: Path, options: CaptionOptions) -> None:
    """A quick look before long work. Raises CaptionsError for a folder of photos without a caption file, with one that may be
    meant, PhotosError for one without photos."""
    names = find_photos(folder)
    if caption_files_of(folder, options) or any(texts_beside(folder / name) for name in names):
        return
    near: list[Path] = []
    with contextlib.suppress(OSError):  # a folder above that cannot be looked into: then without the hint
        near = find_caption_files(folder.absolute().parent)
    hint = f" {', '.join(map(str, near))} may be meant." if near else ""
    raise CaptionsError(
        f"There is no caption file for the {len(names):,} photos of {folder}: none in it, in its text/ or annotations/, and "
        f"no NAME.txt beside a photo. Name it with links.captions (of the train command: --captions).{hint}"
    )


def find_photos(folder: Path, left_out: LeftOut | None = None) -> list[str]:
    """Paths of the photos at any depth, relative to the folder, with `/`, sorted; hidden files and folders are left out. left_out:
    counts files that lie among photos and are none, and photos whose names are no UTF-8.

    Raises PhotosError when the folder is missing, is a file or holds no photo.
    """
    if not folder.exists():
        raise PhotosError(f"There is no folder {folder}. Give the folder that holds your photos.")
    if not folder.is_dir():
        raise PhotosError(f"{folder} is a file; a folder of photos was expected. Give the folder that holds it.")
    lost = LeftOut() if left_out is None else left_out
    names = []
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name != "__MACOSX")
        for linked in (path for name in folders if (path := Path(parent, name)).is_symlink()):
            lost.add(
                "folder that is a link: give the folder that it leads to", 1, linked.relative_to(folder).as_posix()
            )
        for name in files:
            if name.startswith("."):
                continue
            if not is_photo_name(name):
                if is_out_of_place(name):
                    lost.add(NO_PHOTO, 1, Path(parent, name).relative_to(folder).as_posix())
                continue
            relative = Path(parent, name).relative_to(folder).as_posix()
            if relative.encode("utf-8", "ignore").decode() == relative:
                names.append(relative)
            else:
                lost.add("photo whose name is no UTF-8", 1, ascii(relative))
    if not names:
        raise PhotosError(
            f"{folder} holds no photos. Files that end in {', '.join(PHOTO_ENDINGS)} count.{_instead(folder)}"
        )
    return sorted(names)


def is_out_of_place(name: str) -> bool:
    """Whether a file that is no photo is none of those that lie beside photos on purpose."""
    return not name.lower().endswith(BESIDE_PHOTOS) and "." in name


def _instead(folder: Path) -> str:
    """The files of a folder without photos: archives to unpack, arrays of a form that is not known."""
    files = [path.name for path in sorted(folder.iterdir()) if path.is_file() and not path.name.startswith(".")]
    return f" In it lie {', '.join(files[:5])}{', ...' if len(files) > 5 else ''}." if files else ""
