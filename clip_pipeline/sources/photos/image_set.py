"""Photos from wherever they lie: a folder, class folders, webdataset tars or one file, behind one small interface."""

from __future__ import annotations

import posixpath
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from clip_pipeline.errors import PhotosError
from clip_pipeline.sources.photos.caption_files import CAPTION_PLACES, find_caption_files
from clip_pipeline.sources.photos.folder import find_photos, list_photos
from clip_pipeline.sources.photos.folder_tar import files_below_root, is_folder, unpack_texts
from clip_pipeline.sources.photos.metadata import SPLIT_NAMES
from clip_pipeline.sources.photos.names import is_photo_name, photo_ids
from clip_pipeline.sources.photos.tar_index import (
    TarIndex,
    by_sample,
    photo_place,
    read_place,
    read_tar_index,
    sample_id,
    tar_members,
)
from clip_pipeline.sources.photos.tar_paths import find_tars, holds_tars, is_tar_pattern, tar_path, tar_root
from clip_pipeline.sources.photos.tars import read_captions, read_json, read_text_member

NAMES_FILE = "classnames.txt"


@dataclass(frozen=True)
class ImageSet:
    """Photos and what is known of them; every list has one entry a photo, and is None where nothing is known.

    ids are unique. labels are indices into class_names (which is None for labels without names). readers give the
    bytes of a photo's file.
    """

    ids: list[str]
    readers: Sequence[Callable[[], bytes]]
    labels: list[int] | None = None
    class_names: list[str] | None = None
    captions: list[list[str]] | None = None
    splits: list[str] | None = None

    def read(self, row: int) -> bytes:
        """The bytes of one photo's file, as they are. Raises OSError for a file that has gone or cannot be read."""
        return self.readers[row]()

    def __len__(self) -> int:
        return len(self.ids)


def open_image_set(path: Path, with_captions: bool = True, captions_in: Sequence[str] = ()) -> ImageSet:
    """Opens photos without reading them. What lies at `path` may be

    - a folder of photos, at any depth, with or without a caption file (see `list_folder_photos`), whose `splits` it may tell;
    - a folder of class folders, each with its photos; or of train, val, test folders of class folders: then `splits`;
    - a webdataset tar, a folder of them, or of folders of them, or a pattern (tars/{00..12}.tar): then `splits` are those
      folders' names. Captions are from KEY.txt and KEY.json, labels from KEY.cls with classnames.txt beside the tars or above;
    - a tar of a folder of the first two kinds, as it was;
    - one photo.

    with_captions: without, caption files are not read, so that a broken one is no hindrance. captions_in: names of caption
    files that are taken before all others, such as dataset_coco.json.
    Raises PhotosError for a path that is missing, holds no photos or holds a broken tar.
    """
    path = Path(path).expanduser()
    if is_tar_pattern(path):
        return _open_tars(path)
    if not path.exists():
        raise PhotosError(f"There is no {path}. Give a photo, a folder of photos, a tar or a folder of tars.")
    if path.is_file() and is_photo_name(path.name):
        return ImageSet([path.stem], [path.read_bytes])
    if path.is_file():
        return _open_tar(path, with_captions, captions_in)
    if holds_tars(path):
        return _open_tars(path)
    return _open_folder(find_photos(path), path, lambda name: (path / name).read_bytes, with_captions, captions_in)


Reader = Callable[[str], Callable[[], bytes]]
"""What reads the photo of a name."""


def _open_folder(
    names: list[str], texts: Path, reader: Reader, with_captions: bool, captions_in: Sequence[str]
) -> ImageSet:
    """Photos by their paths in a folder. texts: where its caption files lie."""
    captioned = bool(find_caption_files(texts)) or (texts / names[0]).with_suffix(".txt").is_file()
    if all("/" in name for name in names) and not captioned:
        return _open_class_folders(names, reader)
    if not with_captions:
        return ImageSet(photo_ids(names), [reader(name) for name in names])
    told = [
        texts / place / name for name in captions_in for place in CAPTION_PLACES if (texts / place / name).is_file()
    ]
    return _open_captioned(names, texts, reader, str(told[0].absolute()) if told else "")


def _open_tar(tar: Path, with_captions: bool, captions_in: Sequence[str]) -> ImageSet:
    """One tar, of a folder or of webdataset's samples."""
    find_tars(tar)  # raises for a file that is no tar
    members = list(tar_members(tar))
    samples, places = by_sample(members), files_below_root(members)
    if not is_folder(places, samples):
        return _open_tars(tar, samples)
    names = sorted(name for name in places if is_photo_name(name))
    with tempfile.TemporaryDirectory(prefix="clip_pipeline_texts_") as texts:
        unpack_texts(tar, places, Path(texts))
        return _open_folder(
            names, Path(texts), lambda name: partial(read_place, tar, places[name]), with_captions, captions_in
        )


def _open_captioned(photos: list[str], texts: Path, reader: Reader, captions_in: str) -> ImageSet:
    table = list_photos(texts, photos, captions_in, repeats=True)
    present = set(photos)
    names = [url.removeprefix("file:") for url in table["url"].to_pylist()]
    rows = [row for row, name in enumerate(names) if name in present]
    ids, captions, splits = (table[column].to_pylist() for column in ("id", "captions", "split"))
    return ImageSet(
        ids=[ids[row] for row in rows],
        readers=[reader(names[row]) for row in rows],
        captions=[captions[row] for row in rows] if any(captions) else None,
        splits=_told_splits([splits[row] for row in rows]) or _split_folders([names[row] for row in rows]),
    )


def _told_splits(splits: list[str | None]) -> list[str] | None:
    """The splits that lists or caption files tell, "" for photos that they leave out; None where they tell none."""
    return [split or "" for split in splits] if any(splits) else None


def _split_folders(names: Sequence[str]) -> list[str] | None:
    """The first folder of each photo where all of them are called as splits are."""
    tops = [name.partition("/")[0] if "/" in name else "" for name in names]
    return tops if all(top.lower() in SPLIT_NAMES for top in tops) else None


def _open_class_folders(names: list[str], reader: Reader) -> ImageSet:
    splits = _split_folders(names)
    classes = [posixpath.dirname(name.partition("/")[2] if splits else name) for name in names]
    readers = [reader(name) for name in names]
    # below a split any depth is a class (fruit/apple/gala); without one, deeper folders are as likely years and months
    if not all(classes) or (splits is None and any("/" in one for one in classes)):
        return ImageSet(photo_ids(names), readers, splits=splits)
    class_of = _short_class_names(classes, splits or [""] * len(classes))
    class_names = sorted(set(class_of.values()))
    number = {name: place for place, name in enumerate(class_names)}
    return ImageSet(
        ids=photo_ids(names),
        readers=readers,
        labels=[number[class_of[one]] for one in classes],
        class_names=class_names,
        splits=splits,
    )


def _short_class_names(classes: Sequence[str], splits: Sequence[str]) -> dict[str, str]:
    """The last folder of each class's path where that tells the classes of every split apart, else the whole paths.

    A class that lies elsewhere in another split is the same one (groceries: train/Vegetables/X, test/Vegetables/Mushroom/X).
    """
    paths = sorted(set(zip(splits, classes, strict=True)))
    short = {(split, posixpath.basename(path)) for split, path in paths}
    return {path: posixpath.basename(path) if len(short) == len(paths) else path for _, path in paths}


def _open_tars(path: Path, samples: TarIndex | None = None) -> ImageSet:
    """Tars of samples. samples: those of the tar, where there is one and they are known."""
    ids: list[str] = []
    readers: list[Callable[[], bytes]] = []
    captions: list[list[str]] = []
    labels: list[int | None] = []
    splits: list[str] = []
    root = tar_root(path)
    for tar_name in find_tars(path):
        tar = tar_path(root, tar_name)
        with tar.open("rb") as stream:
            for key, members in sorted((samples or read_tar_index(tar)).items()):
                place = photo_place(members)
                if place is None:
                    continue
                ids.append(sample_id(tar_name, key))
                readers.append(partial(read_place, tar, place))
                captions.append(read_captions(stream, members, read_json(stream, members)))
                labels.append(_label(tar, key, read_text_member(stream, members, "cls")))
                splits.append(posixpath.dirname(tar_name))
    if not ids:
        raise PhotosError(f"The tars in {path} hold no photos. Members KEY.jpg, KEY.png or KEY.webp were expected.")
    known = [label for label in labels if label is not None]
    labelled = len(known) == len(labels)
    return ImageSet(
        ids=ids,
        readers=readers,
        labels=known if labelled else None,
        class_names=_class_names(path, known) if labelled else None,
        captions=captions if any(captions) else None,
        splits=splits if all(splits) else None,
    )


def _label(tar: Path, key: str, text: str) -> int | None:
    if not text.strip():
        return None
    try:
        return int(text)
    except ValueError:
        raise PhotosError(
            f"{tar}: {key}.cls holds {text[:20]!r}, a class number was expected. Make the tar again."
        ) from None


def _class_names(path: Path, labels: list[int]) -> list[str] | None:
    """Names from classnames.txt beside the tars, or above a single tar; None where there is no such file."""
    places = [path] if path.is_dir() else [path.parent, path.parent.parent]
    file = next((place / NAMES_FILE for place in places if (place / NAMES_FILE).is_file()), None)
    if file is None:
        return None
    names = [line.strip() for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    if min(labels) < 0 or max(labels) >= len(names):
        raise PhotosError(
            f"{file} has {len(names)} names and the labels run from {min(labels)} to {max(labels)}. A label is the "
            "place of its name in that file, from 0."
        )
    return names
