"""A folder of photos with a caption file: the simplest way to bring photos of one's own."""

from __future__ import annotations

import logging
import os
import posixpath
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

import pyarrow as pa

from clip_pipeline.errors import CaptionsError, PhotosError, SettingsError
from clip_pipeline.records import PHOTO_FIELDS, SPLITS
from clip_pipeline.sources.caption_files import find_caption_file, is_photo_name, read_caption_file
from clip_pipeline.sources.table_files import read_text, texts_of

logger = logging.getLogger(__name__)

SPLIT_NAMES = (
    {name: name for name in SPLITS}
    | {name: "validation" for name in ("val", "valid", "dev", "development")}
    | {"training": "train", "testing": "test"}
)
"""What people call the splits, and what this program calls them."""


def list_folder_photos(path: Path, captions: str = "", splits: str = "") -> pa.Table:
    """Photos at any depth below a folder with their captions: PHOTO_FIELDS, sorted by url.

    captions: the caption file; "" looks for one in the folder, then for NAME.txt beside each NAME.jpg.
    splits: "train=FILE,validation=FILE,test=FILE", lists of file names, one a line. A photo in none of them gets a null
    split, so that the pipeline splits it as it does any other.

    A photo without a caption keeps its row; so does a captioned file that is not there, which the download then marks
    missing_file. `url` is `file:` and the path inside the folder, `id` that path without its ending. Raises PhotosError
    for a folder without photos, CaptionsError for a caption file or split list that does not fit.
    """
    names = find_photos(path)
    found = _captions_of(path, names, captions)
    absent = sorted(found.keys() - set(names))
    if absent:
        logger.warning("%d captioned photos are not in %s, the first is %s", len(absent), path, absent[0])
    rows = sorted({*names, *absent})
    split_of = _read_splits(path, splits, rows)
    logger.info("Found %d photos in %s, %d of them with captions", len(names), path, sum(n in found for n in names))
    return photo_table(
        ids=photo_ids(rows),
        urls=[f"file:{name}" for name in rows],
        captions=[found.get(name, []) for name in rows],
        source="folder",
        split=[split_of.get(name) for name in rows],
    )


def photo_table(ids: list[str], urls: list[str], captions: list[list[str]], source: str, **columns: list) -> pa.Table:
    """PHOTO_FIELDS from lists of one value a photo; a column that is not given is null."""
    given = {"id": ids, "url": urls, "captions": captions, "source": [source] * len(ids), **columns}
    given = {"words": [[]] * len(ids), **given}
    fields = [pa.array(given.get(field.name, [None] * len(ids)), field.type) for field in PHOTO_FIELDS]
    return pa.Table.from_arrays(fields, schema=pa.schema(PHOTO_FIELDS))


def find_photos(folder: Path) -> list[str]:
    """Paths of the photos at any depth, relative to the folder, with `/`, sorted; hidden files and folders are left out.

    Raises PhotosError when the folder is missing, is a file or holds no photo.
    """
    if not folder.exists():
        raise PhotosError(f"There is no folder {folder}. Give the folder that holds your photos.")
    if not folder.is_dir():
        raise PhotosError(f"{folder} is a file; a folder of photos was expected. Give the folder that holds it.")
    names, unnameable = [], 0
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name != "__MACOSX")
        for name in files:
            if not is_photo_name(name) or name.startswith("."):
                continue
            relative = Path(parent, name).relative_to(folder).as_posix()
            if relative.encode("utf-8", "ignore").decode() == relative:
                names.append(relative)
            else:
                unnameable += 1
    if unnameable:
        logger.warning("Left out %d photos in %s whose names are no UTF-8", unnameable, folder)
    if not names:
        raise PhotosError(f"{folder} holds no photos. Files that end in .jpg, .png, .webp, .gif, .bmp or .tif count.")
    return sorted(names)


def photo_ids(names: Sequence[str]) -> list[str]:
    """Each path without its ending; with its ending where two paths would get the same id."""
    stems = [posixpath.splitext(name)[0] if is_photo_name(name) else name for name in names]
    taken = Counter([*stems, *(name for name, stem in zip(names, stems, strict=True) if name != stem)])
    return [stem if taken[stem] == 1 else name for name, stem in zip(names, stems, strict=True)]


class PhotoFinder:
    """Finds the photo that a caption file or a split list means: by its path, its base name, or either without ending."""

    def __init__(self, names: Iterable[str]):
        self._paths: dict[str, str] = {}
        self._others: dict[str, str | None] = {}
        for name in names:
            self._paths[_plain(name)] = name
            base = posixpath.basename(name)
            for other in {base, posixpath.splitext(name)[0], posixpath.splitext(base)[0]}:
                # None marks a name that two photos share: which one was meant cannot be told
                self._others[_plain(other)] = name if _plain(other) not in self._others else None

    def find(self, *written: str) -> str | None:
        """The photo's path for the first of the writings that means one; None if none does."""
        keys = [_plain(posixpath.normpath(one.replace("\\", "/"))) for one in written]
        for known in (self._paths, self._others):
            for key in keys:
                if known.get(key):
                    return known[key]
        for key in keys:  # a path that begins above the folder: /home/someone/images/1.jpg, images/1.jpg
            parts = key.split("/")
            for start in range(1, len(parts)):
                if name := self._paths.get("/".join(parts[start:])):
                    return name
        return None


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _inside(folder: Path, written: str) -> str:
    """The path inside the folder, with `/`; a path that leads out of it keeps its base name only."""
    path = PurePosixPath(written.replace("\\", "/"))
    if path.is_absolute():
        root = PurePosixPath(folder.absolute().as_posix())
        path = path.relative_to(root) if path.is_relative_to(root) else PurePosixPath(path.name)
    normal = posixpath.normpath(path.as_posix())
    return path.name if normal.startswith("..") else normal


def _captions_of(folder: Path, names: list[str], captions: str) -> dict[str, list[str]]:
    """Captions by path inside the folder, without repeats; paths of absent files are as they are written."""
    file = _caption_file(folder, captions)
    if file is None:
        return _captions_beside(folder, names)
    finder = PhotoFinder(names)
    found: dict[str, list[str]] = {}
    beside = file.absolute().parent
    below = beside.relative_to(folder.absolute()).as_posix() if beside.is_relative_to(folder.absolute()) else "."
    for written, texts in read_caption_file(file):
        name = finder.find(_inside(folder, written), posixpath.join(below, written), written)
        known = found.setdefault(name or _inside(folder, written), [])
        known.extend(text for text in dict.fromkeys(texts) if text not in known)
    present = set(names)
    if not any(name in present for name in found):
        raise CaptionsError(
            f"None of the {len(found):,} files that {file} names is in {folder}; the first is {next(iter(found))}. "
            "Write names relative to the folder of photos, or give the folder that they are in."
        )
    return found


def _caption_file(folder: Path, captions: str) -> Path | None:
    if not captions:
        return find_caption_file(folder)
    given = Path(captions).expanduser()
    file = given if given.exists() else folder / given
    if not file.is_file():
        raise CaptionsError(f"There is no caption file {captions}, here or in {folder}. Check links.captions.")
    return file


def _captions_beside(folder: Path, names: list[str]) -> dict[str, list[str]]:
    """Captions from NAME.txt beside NAME.jpg, one a line."""
    found = {}
    for name in names:
        file = (folder / name).with_suffix(".txt")
        if file.is_file():
            found[name] = texts_of(read_text(file, CaptionsError).splitlines())
    return found


def parse_splits(splits: str) -> dict[str, Path]:
    """`train=FILE,validation=FILE,test=FILE` by split. Raises SettingsError for another split or form."""
    files: dict[str, Path] = {}
    for pair in filter(None, (one.strip() for one in splits.split(","))):
        name, equals, file = pair.partition("=")
        split = SPLIT_NAMES.get(name.strip().lower())
        if not equals or not file.strip() or split is None:
            raise SettingsError(
                f'links.splits has "{pair}", expected train=FILE, validation=FILE and test=FILE with commas between.'
            )
        files[split] = Path(file.strip()).expanduser()
    return files


def _read_splits(folder: Path, splits: str, names: list[str]) -> dict[str, str]:
    finder = PhotoFinder(names)
    split_of: dict[str, str] = {}
    for split, given in parse_splits(splits).items():
        file = given if given.exists() else folder / given
        if not file.is_file():
            raise CaptionsError(f"There is no list {given} of the {split} photos. Check links.splits.")
        lines = [line.strip() for line in read_text(file, CaptionsError).split("\n") if line.strip()]
        found = {name for line in lines if (name := finder.find(_inside(folder, line), line))}
        if not found:
            raise CaptionsError(f"{file} names no photo of {folder}. Write one file name a line, such as 1000.jpg.")
        twice = sorted(found & split_of.keys())
        if twice:
            raise CaptionsError(
                f"{twice[0]} is listed for {split_of[twice[0]]} and for {split} ({len(twice):,} photos are listed "
                "twice). A photo belongs to one split: take it out of the other list."
            )
        split_of.update(dict.fromkeys(found, split))
        logger.info("%s: %d of %d listed photos are there", split, len(found), len(lines))
    return split_of
