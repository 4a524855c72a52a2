"""What is known of the photos of a folder: their classes by folders or tables, or their captions, and what is left aside for that."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from clip_pipeline.display.left_out import LeftOut
from clip_pipeline.sources.photos.caption_files import names_captions, reads_as_captions
from clip_pipeline.sources.photos.captions import (
    CaptionOptions,
    caption_files_of,
    captioned_photos,
    has_captions,
    texts_beside,
)
from clip_pipeline.sources.photos.class_folders import ClassFolders, sort_into_classes
from clip_pipeline.sources.photos.class_names import names_by_files
from clip_pipeline.sources.photos.class_spellings import join_spellings
from clip_pipeline.sources.photos.label_tables import labels_by_tables
from clip_pipeline.sources.photos.photos import Metadata
from clip_pipeline.sources.photos.splits import splits_of_folders

logger = logging.getLogger(__name__)

UNSPLIT = "photos that are in none of the splits"


def metadata_of_folder(folder: Path, paths: list[str], options: CaptionOptions) -> Metadata:
    """What is known of the photos of a folder, in the order of `paths`. folder: where its tables and lists lie.

    Captions where a file is named for them (captions.csv, COCO's, `options`); else classes, by the folders that the photos lie in,
    then by a table or list of labels; else captions of any other table, and of NAME.txt beside NAME.jpg. What is left aside for that
    is a warning; the photos that no class or caption is known of are left out, and counted.
    """
    sorted_in = sort_into_classes(paths)
    files = caption_files_of(folder, options)
    meant = bool(files) and (options.named() or names_captions(files))
    beside = bool(texts_beside(folder / paths[0]))
    if meant or options.captions_wanted:
        if len(sorted_in.names) > 1 and files:
            logger.warning(
                "%s: %s gives the photos captions, so its %d class folders are left aside. Take the file away to have them as classes",
                *(folder, files[0].name, len(sorted_in.names)),
            )
        return _captioned(folder, paths, options)
    if len(sorted_in.names) > 1:
        if files or beside:
            aside = files[0].name if files else f"{paths[0].rpartition('.')[0]}.txt"
            advice = (
                f". Its captions count when it is called captions{files[0].suffix}"
                if any(map(reads_as_captions, files))
                else ""
            )
            logger.warning(
                "%s: the class folders (%s) say what is on the photos, so %s is left aside%s",
                *(folder, _some(sorted_in.names), aside, advice),
            )
        return _of_class_folders(folder, paths, sorted_in)
    if labelled := _of_tables(folder, paths):
        return labelled
    if files or beside:
        return _captioned(folder, paths, options)
    if sorted_in.classes:
        return _of_class_folders(folder, paths, sorted_in)
    return Metadata(splits=sorted_in.splits, why_unknown=sorted_in.why_none)


def _of_class_folders(folder: Path, paths: Sequence[str], found: ClassFolders) -> Metadata:
    lost = LeftOut()
    for why, photos in found.left_out.items():
        lost.add(f"photos that {why}", len(photos), min(photos))
    if lost:
        logger.info("%s: read %d photos of %d classes", folder, len(paths) - lost.total(), len(found.names))
    if found.below:
        logger.info("%s: the classes are the folders in %s", folder, found.below)
    empty = _without_photos(folder, paths, found)
    lost.add("folders that hold no photos, and are no classes", len(empty), _some(empty))
    assert found.classes is not None
    return _labelled(
        folder, paths, found.classes, found.names, found.splits, [found.below] if found.below else [], lost
    )


def _without_photos(folder: Path, paths: Sequence[str], found: ClassFolders) -> list[str]:
    """Folders beside the class folders, of each split, in which no photo lies."""
    assert found.classes is not None
    with_photos = {above.as_posix() for path in paths for above in PurePosixPath(path).parents}
    beside = {
        PurePosixPath(path).parent.parent for path, one in zip(paths, found.classes, strict=True) if one is not None
    }
    folders = [
        (place / one.name).as_posix()
        for place in sorted(beside)
        if (folder / place).is_dir()
        for one in sorted((folder / place).iterdir())
        if one.is_dir() and not one.is_symlink() and one.name[0] != "." and one.name != "__MACOSX"
    ]
    return [name for name in folders if name not in with_photos]


def _of_tables(folder: Path, paths: Sequence[str]) -> Metadata | None:
    found = labels_by_tables(folder, paths)
    if found is None:
        return None
    files = ", ".join(file.relative_to(folder).as_posix() for file in found.files)
    without = [path for path, label in zip(paths, found.labels, strict=True) if label is None]
    found.left_out.add(f"photos that {files} gives no label", len(without), without[0] if without else "")
    logger.warning("%s: the classes of the photos are those of %s", folder, files)
    names = sorted({label for label in found.labels if label is not None}, key=_in_numbers)
    splits = found.splits if any(found.splits) else None
    return _labelled(folder, paths, found.labels, names, splits, ["annotations", "labels", "meta"], found.left_out)


def _labelled(
    folder: Path,
    paths: Sequence[str],
    classes: Sequence[str | None],
    keys: list[str],
    splits: list[str] | None,
    below: Iterable[str],
    lost: LeftOut,
) -> Metadata:
    classes = join_spellings(classes, splits, str(folder))
    kept = {one for one in classes if one is not None}
    keys = [key for key in keys if key in kept]
    number = {key: place for place, key in enumerate(keys)}
    labels = [None if one is None else number[one] for one in classes]
    named = names_by_files([folder, *(folder / place for place in below)], keys)
    if splits is not None:
        unsplit = [row for row, label in enumerate(labels) if label is not None and not splits[row]]
        lost.add(UNSPLIT, len(unsplit), paths[unsplit[0]] if unsplit else "")
        gone = set(unsplit)
        labels = [None if row in gone else label for row, label in enumerate(labels)]
    return Metadata(
        labels, named[0] if named else keys, splits=splits, names_from=str(named[1]) if named else "", left_out=lost
    )


def _in_numbers(label: str) -> tuple[int, str]:
    return (int(label), label) if label.isdecimal() and label.isascii() else (-1, label)


def _captioned(folder: Path, paths: list[str], options: CaptionOptions) -> Metadata:
    counts = LeftOut()
    table = captioned_photos(folder, paths, options, counts, repeats=True)
    row_of = {url: row for row, url in enumerate(table["url"].to_pylist())}
    rows = table.take([row_of[f"file:{path}"] for path in paths])
    splits = rows["split"].to_pylist()
    return Metadata(
        captions=rows["captions"].to_pylist() if has_captions(table) else None,
        splits=[split or "" for split in splits] if any(splits) else splits_of_folders(paths),
        left_out=counts,
    )


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
