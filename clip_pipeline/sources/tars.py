"""Webdataset tars of one's own: where each sample lies, its captions, and its photo without reading the rest."""

from __future__ import annotations

import json
import logging
import os
import posixpath
import tarfile
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from clip_pipeline.errors import PhotosError
from clip_pipeline.sources.folder import SPLIT_NAMES, photo_table
from clip_pipeline.sources.table_files import keywords_of, plain_text, texts_of

logger = logging.getLogger(__name__)

TAR_PHOTO_ENDINGS = ("jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff")
CAPTION_KEYS = ("caption", "captions", "prompt", "text")
LICENCE_KEYS = ("licence", "license")
KEYWORD_KEYS = ("words", "keywords", "tags")
ATTRIBUTION_KEYS = ("attribution", "author", "photographer")


@dataclass(frozen=True)
class TarPlace:
    """Where one member's bytes lie: offset and size in bytes."""

    offset: int
    size: int


TarIndex = dict[str, dict[str, TarPlace]]
"""Places by key and ending, in the order of the tar. The key is the name up to the first dot of its last part."""


def list_tar_photos(path: Path) -> pa.Table:
    """Photos of one webdataset tar or of a folder of them (or of folders of them): PHOTO_FIELDS, in order of tar and key.

    Captions come from KEY.txt, one a line, and from `caption`, `captions`, `prompt` or `text` in KEY.json; keywords from its
    `words`, `keywords` and `tags`. `url` is
    `tar:TAR#KEY`, `id` is `TAR/KEY` without `.tar`; `split` is the folder of the tar where it is called train,
    validation (val, dev) or test. Raises PhotosError for tars that are missing, cut, compressed or without photos.
    """
    ids: list[str] = []
    urls: list[str] = []
    captions: list[list[str]] = []
    keywords: list[list[str]] = []
    more: dict[str, list[str | None]] = {"split": [], "licence": [], "attribution": []}
    tar_names = find_tars(path)
    for tar_name in tar_names:
        tar = tar_path(path, tar_name)
        split = SPLIT_NAMES.get(posixpath.dirname(tar_name).lower())
        with tar.open("rb") as stream:
            for key, members in sorted(tar_index(tar).items()):
                if photo_place(members) is None:
                    continue
                ids.append(sample_id(tar_name, key))
                urls.append(f"tar:{tar_name}#{key}")
                told = read_json(stream, members)
                captions.append(read_captions(stream, members, told))
                keywords.append(keywords_of([told.get(key) for key in KEYWORD_KEYS]))
                more["split"].append(split)
                more["licence"].append(_first_text(told, LICENCE_KEYS))
                more["attribution"].append(_first_text(told, ATTRIBUTION_KEYS))
    if not ids:
        raise PhotosError(f"The tars in {path} hold no photos. Members KEY.jpg, KEY.png or KEY.webp were expected.")
    logger.info(
        "Found %d photos in %d tars of %s, %d with captions", len(ids), len(tar_names), path, sum(map(bool, captions))
    )
    return photo_table(ids=ids, urls=urls, captions=captions, source="tars", words=keywords, **more)


def parse_tar_url(url: str) -> tuple[str, str]:
    """(tar name, key) of `tar:TAR#KEY`. Raises ValueError for anything else."""
    tar_name, mark, key = url.removeprefix("tar:").partition(".tar#")
    if not url.startswith("tar:") or not mark or not key:
        raise ValueError(f"{url!r} is no tar:NAME.tar#KEY")
    return f"{tar_name}.tar", key


def read_tar_member(root: Path, tar_name: str, key: str) -> bytes:
    """The photo's bytes of one sample; `root` is the tar itself or the folder it is in.

    The first call for a tar reads its headers, later calls read the photo alone; threads may call at once. Raises
    FileNotFoundError for a tar or key that is not there or lies outside of `root`, PhotosError for a tar that is cut.
    """
    path = tar_path(root, tar_name)
    if not path.is_file():
        raise FileNotFoundError(f"there is no tar {tar_name}")
    place = photo_place(tar_index(path).get(key, {}))
    if place is None:
        raise FileNotFoundError(f"{tar_name} has no photo {key}")
    return read_place(path, place)


def tar_path(root: Path, tar_name: str) -> Path:
    """The tar called so in a folder, or the root itself where that is the tar.

    Raises FileNotFoundError for a name that leads out of the root."""
    if not root.is_dir():
        if root.name != tar_name:
            raise FileNotFoundError(f"{root} is not {tar_name}")
        return root
    if posixpath.isabs(tar_name) or ".." in tar_name.split("/"):
        raise FileNotFoundError(f"{tar_name} leads out of {root}")
    return root / tar_name


def read_place(path: Path, place: TarPlace) -> bytes:
    """The bytes at a place of a tar."""
    with path.open("rb") as stream:
        stream.seek(place.offset)
        return stream.read(place.size)


def find_tars(path: Path) -> list[str]:
    """Names of the tars in a folder or one folder down, with `/`, in order; of a tar its own name.

    Numbered tars are in the order of their numbers. Raises PhotosError where there is none.
    """
    if path.is_file():
        return [path.name]
    if not path.is_dir():
        raise PhotosError(f"There is no {path}. Give a webdataset tar or the folder that holds the tars.")
    found = [tar.relative_to(path).as_posix() for pattern in ("*.tar", "*/*.tar") for tar in path.glob(pattern)]
    names = [
        name for name in found if not any(part.startswith(".") for part in name.split("/")) and (path / name).is_file()
    ]
    if not names:
        raise PhotosError(f"{path} holds no .tar files. Give a webdataset tar or the folder that holds the tars.")
    return sorted(names, key=_tar_order)


def _tar_order(name: str) -> tuple[str, int, str]:
    stem = posixpath.basename(name).removesuffix(".tar")
    return posixpath.dirname(name), int(stem) if stem.isdecimal() else -1, name


_INDEXES: dict[tuple[str, int, int], TarIndex] = {}
_INDEX_LOCK = threading.Lock()


def tar_index(path: Path) -> TarIndex:
    """Places of all members of a tar; kept until the file's size or time changes. Raises PhotosError for a broken tar."""
    state = path.stat()
    name = (str(path.absolute()), state.st_size, state.st_mtime_ns)
    with _INDEX_LOCK:  # one thread reads the headers, the others wait for them
        if name not in _INDEXES:
            _INDEXES[name] = _read_index(path, state.st_size)
        return _INDEXES[name]


def _read_index(path: Path, size: int) -> TarIndex:
    with path.open("rb") as stream:
        if stream.read(2) == b"\x1f\x8b":
            raise PhotosError(
                f"{path} is compressed, so its photos cannot be reached one by one. Unpack it with gunzip first."
            )
    index: TarIndex = {}
    end = 0
    try:
        with tarfile.open(path, "r:") as tar:
            for entry in tar:
                end = entry.offset_data + entry.size
                if entry.isfile() and end <= size:
                    key, ending = split_member_name(entry.name)
                    if key:
                        # the first member of a name wins, as it does for a reader that goes through the tar once
                        index.setdefault(key, {}).setdefault(ending, TarPlace(entry.offset_data, entry.size))
    except (tarfile.TarError, EOFError) as problem:
        raise PhotosError(f"{path} is no whole tar ({problem}). Make or download it again.") from None
    after = size - (end + -end % tarfile.BLOCKSIZE)  # bytes that follow the last member: none, or whole blocks
    if end > size or 0 < after < tarfile.BLOCKSIZE:
        raise PhotosError(f"{path} is cut: it ends after {size:,} bytes within a member. Make or download it again.")
    return index


def split_member_name(name: str) -> tuple[str, str]:
    """(key, ending in lower case) of a member: the key runs up to the first dot of the last part of the path."""
    folder, slash, base = name.rpartition("/")
    key, _, ending = base.partition(".")
    return (f"{folder}{slash}{key}", ending.lower()) if key else ("", "")


def sample_id(tar_name: str, key: str) -> str:
    """`TAR/KEY`: without `.tar`, and without the `./` that `tar cf x.tar .` puts before every name."""
    return f"{tar_name.removesuffix('.tar')}/{key.removeprefix('./')}"


def photo_place(members: dict[str, TarPlace]) -> TarPlace | None:
    """Where the photo of a sample lies, None where it has none."""
    return next((members[ending] for ending in TAR_PHOTO_ENDINGS if ending in members), None)


def read_text_member(stream: Any, members: dict[str, TarPlace], ending: str) -> str:
    """The text of KEY.ending, "" where there is none."""
    if ending not in members:
        return ""
    place = members[ending]
    content = os.pread(stream.fileno(), place.size, place.offset)
    return content.decode("utf-8", "replace").removeprefix("\ufeff")


def read_json(stream: Any, members: dict[str, TarPlace]) -> dict[str, Any]:
    """The object in KEY.json; an empty one where there is none, or none that can be read."""
    text = read_text_member(stream, members, "json")
    try:
        told = json.loads(text) if text else {}
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def read_captions(stream: Any, members: dict[str, TarPlace], told: dict[str, Any]) -> list[str]:
    """Captions of KEY.txt, one a line, then those of KEY.json that are new."""
    lines = texts_of(read_text_member(stream, members, "txt").splitlines())
    return list(dict.fromkeys([*lines, *(text for key in CAPTION_KEYS for text in texts_of(told.get(key)))]))


def _first_text(told: dict[str, Any], keys: Iterable[str]) -> str | None:
    return next((plain_text(told[key]) for key in keys if isinstance(told.get(key), str) and told[key]), None)
