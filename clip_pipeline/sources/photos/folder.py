"""A folder of photos with a caption file: the simplest way to bring photos of one's own."""

from __future__ import annotations

import contextlib
import logging
import os
import posixpath
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from clip_pipeline.errors import CaptionsError, PhotosError
from clip_pipeline.records import PHOTO_FIELDS
from clip_pipeline.sources.photos.caption_files import (
    PUBLISHED_JSON,
    find_caption_files,
    read_caption_file,
    split_names,
)
from clip_pipeline.sources.photos.metadata import FACT_COLUMNS
from clip_pipeline.sources.photos.names import PhotoFinder, is_photo_name, path_inside, photo_ids
from clip_pipeline.sources.photos.split_lists import find_split_lists, parse_splits, read_split_lists
from clip_pipeline.sources.tables.text_files import read_text
from clip_pipeline.sources.tables.values import texts_of

logger = logging.getLogger(__name__)

BESIDE_PHOTOS = (
    *(".txt", ".csv", ".tsv", ".json", ".jsonl", ".parquet", ".token", ".md", ".html", ".xml", ".db", ".sha256", ".gz"),
    *(".cls", ".npy", ".mat", ".yaml", ".yml", ".pdf"),
)
"""Endings of files that lie beside photos on purpose: they are passed over without a word."""


@dataclass
class _Told:
    """What the caption files say of one photo: its captions, and facts, the first that is told of each."""

    captions: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    named_split: str | None = None


def list_folder_photos(
    path: Path,
    captions: str = "",
    splits: str = "",
    file_key: str = "",
    caption_keys: str = "",
    counts: Counter[str] | None = None,
) -> pa.Table:
    """Photos at any depth below a folder with their captions: PHOTO_FIELDS, sorted by url.

    captions: caption files, with commas between; "" looks for them in the folder (`find_caption_files`), then for NAME.txt
    beside each NAME.jpg. file_key, caption_keys: their columns (`read_caption_file`).
    splits: "train=FILE,validation=FILE,test=FILE", lists of file names, one a line. "" takes what the caption files say: a
    column, Karpathy's splits, or their names (captions_train2014.json, captions_val2014.json), or the lists beside
    Flickr8k's tokens; "none" takes nothing. A photo without one gets a null split, so that the pipeline splits it as it does
    any other.

    A photo without a caption keeps its row; so does a captioned file that is not there or lies outside of the folder, which
    the download then marks missing_file. `url` is `file:` and the path inside the folder, `id` that path without its ending.
    What is missing is counted in `counts`. No caption at all is no error here (`check_captions`). Raises PhotosError for a folder without photos, CaptionsError for a caption file or
    split list that does not fit. Memory holds the captions: see docs/photos.md for figures.
    """
    return list_photos(path, find_photos(path), captions, splits, file_key, caption_keys, counts)


def list_photos(
    path: Path,
    names: list[str],
    captions: str = "",
    splits: str = "",
    file_key: str = "",
    caption_keys: str = "",
    counts: Counter[str] | None = None,
    repeats: bool = False,
) -> pa.Table:
    """`list_folder_photos` where the names of the photos are known: those that lie elsewhere, with caption files in `path`.

    repeats: whether a photo keeps a caption that it has twice, which a benchmark counts twice (10 photos of Flickr8k)."""
    counts = Counter() if counts is None else counts
    files = caption_files_of(path, captions)
    told = _told_of(path, names, files, file_key, caption_keys) if files else _captions_beside(path, names)
    absent = sorted(told.keys() - set(names))
    if absent:
        counts["captioned photos that are not there"] += len(absent)
        told_by = ", ".join(file.name for file in files) or path.name
        logger.warning("%s: %d captioned photos are not there, the first is %s", told_by, len(absent), absent[0])
    rows = sorted({*names, *absent})
    said = [told.get(name, _Told()) for name in rows]
    counts["photos without caption"] += sum(not one.captions for one in said)
    split_of = _splits_of(path, splits, files, rows, told, counts)
    logger.info("Found %d photos in %s, %d of them with captions", len(names), path, sum(n in told for n in names))
    facts = {name: [one.facts.get(name) for one in said] for name in FACT_COLUMNS if name not in ("split", "words")}
    return photo_table(
        ids=photo_ids(rows),
        urls=[f"file:{name}" for name in rows],
        captions=[one.captions if repeats else list(dict.fromkeys(one.captions)) for one in said],
        source="folder",
        split=[split_of.get(name) for name in rows],
        words=[one.facts.get("words", []) for one in said],
        **facts,
    )


def has_captions(photos: pa.Table) -> bool:
    """Whether any photo of PHOTO_FIELDS has a caption."""
    import pyarrow.compute as pc

    return bool(pc.sum(pc.list_value_length(photos["captions"])).as_py())


def check_captions(photos: pa.Table, folder: Path, captions: str = "") -> None:
    """Raises CaptionsError where no photo of `list_folder_photos` has a caption: for whoever cannot do without."""
    if has_captions(photos):
        return
    check_caption_files(folder, captions)
    names = ", ".join(map(str, caption_files_of(folder, captions))) or "NAME.txt beside each photo"
    raise CaptionsError(f"{names}: no caption for any of the {len(photos):,} photos of {folder}. Check the captions.")


def check_caption_files(folder: Path, captions: str = "") -> None:
    """A quick look before long work. Raises CaptionsError for a folder of photos without a caption file, with one that may be
    meant, PhotosError for one without photos."""
    names = find_photos(folder)
    if caption_files_of(folder, captions) or any((folder / name).with_suffix(".txt").is_file() for name in names):
        return
    near: list[Path] = []
    with contextlib.suppress(OSError):  # a folder above that cannot be looked into: then without the hint
        near = find_caption_files(folder.absolute().parent)
    hint = f" {', '.join(map(str, near))} may be meant." if near else ""
    raise CaptionsError(
        f"There is no caption file for the {len(names):,} photos of {folder}: none in it, in its text/ or annotations/, and "
        f"no NAME.txt beside a photo. Name it with links.captions (of the train command: --captions).{hint}"
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
    names, others, unnameable = [], [], 0
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name != "__MACOSX")
        for name in files:
            if name.startswith("."):
                continue
            if not is_photo_name(name):
                if not name.lower().endswith(BESIDE_PHOTOS) and "." in name:
                    others.append(Path(parent, name).relative_to(folder).as_posix())
                continue
            relative = Path(parent, name).relative_to(folder).as_posix()
            if relative.encode("utf-8", "ignore").decode() == relative:
                names.append(relative)
            else:
                unnameable += 1
    if names and others:
        logger.warning("%s: left out %d files that are no photos, the first is %s", folder, len(others), min(others))
    if unnameable:
        logger.warning("Left out %d photos in %s whose names are no UTF-8", unnameable, folder)
    if not names:
        raise PhotosError(f"{folder} holds no photos. Files that end in .jpg, .png, .webp, .gif, .bmp or .tif count.")
    return sorted(names)


def caption_files_of(folder: Path, captions: str) -> list[Path]:
    """The caption files that the setting names, here or in the folder, or else those that are found in it."""
    if not captions.strip(" ,"):
        return find_caption_files(folder)
    files = []
    for name in filter(None, (one.strip() for one in captions.split(","))):
        given = Path(name).expanduser()
        file = given if given.exists() else folder / given
        if not file.is_file():
            raise CaptionsError(f"There is no caption file {name}, here or in {folder}. Check links.captions.")
        files.append(file)
    return files


def _told_of(
    folder: Path, names: list[str], files: Sequence[Path], file_key: str, caption_keys: str
) -> dict[str, _Told]:
    """What the files say, by path inside the folder; paths of absent photos are as they are written."""
    finder = PhotoFinder(names)
    told: dict[str, _Told] = {}
    split_of = split_names(files)
    root = folder.absolute()
    for file in files:
        beside = file.absolute().parent
        below = beside.relative_to(root).as_posix() if beside.is_relative_to(root) else "."
        images = PUBLISHED_JSON.fullmatch(file.name)  # captions_train2014.json: of the photos in train2014
        for row in read_caption_file(file, file_key, caption_keys):
            written = [path_inside(folder, row.name), posixpath.join(below, row.name), row.name]
            if images:
                written.insert(0, posixpath.join(images["images"], row.name))
            one = told.setdefault(finder.find(*written) or path_inside(folder, row.name), _Told())
            one.captions.extend(row.captions)
            one.facts = row.facts | one.facts
            one.named_split = one.named_split or split_of.get(file)
    present = set(names)
    if not any(name in present for name in told):
        raise CaptionsError(
            f"None of the {len(told):,} files that {', '.join(map(str, files))} names is in {folder}; the first is "
            f"{next(iter(told), 'none')}. Write names relative to the folder of photos, or give the folder that they are in."
        )
    return told


def _captions_beside(folder: Path, names: list[str]) -> dict[str, _Told]:
    """Captions from NAME.txt beside NAME.jpg, one a line; none through a link that leads out of the folder."""
    found = {}
    root = folder.resolve()
    for name in names:
        file = (folder / name).with_suffix(".txt")
        if file.is_file() and file.resolve().is_relative_to(root):
            found[name] = _Told(texts_of(read_text(file, CaptionsError).splitlines()))
    return found


def _splits_of(
    folder: Path, splits: str, files: Sequence[Path], rows: list[str], told: dict[str, _Told], counts: Counter[str]
) -> dict[str, str]:
    """The split of each photo that has one: of lists, of a column, of the caption files' names, in this order."""
    if splits.strip().lower() == "none":
        return {}
    lists = parse_splits(splits) or find_split_lists(files)
    if lists:
        return read_split_lists(folder, lists, rows, counts)
    said = {name: one.facts.get("split") or one.named_split for name, one in told.items()}
    return {name: split for name, split in said.items() if split}
