"""Webdataset tars of one's own: their photos, and what lies beside each as .txt and .json."""

from __future__ import annotations

import json
import logging
import os
import posixpath
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from clip_pipeline.errors import CaptionsError, PhotosError, nearest_name
from clip_pipeline.machine.progress import progress
from clip_pipeline.sources.photos.folder import photo_table
from clip_pipeline.sources.photos.metadata import FACT_COLUMNS, SPLIT_NAMES, facts_of, text_of
from clip_pipeline.sources.photos.tar_index import TarPlace, photo_place, read_tar_index, sample_id
from clip_pipeline.sources.photos.tar_paths import find_tars, tar_path, tar_root
from clip_pipeline.sources.tables.values import keywords_of, texts_of

logger = logging.getLogger(__name__)

CAPTION_MEMBERS = ("txt", "text", "caption", "captions")
CAPTION_KEYS = ("caption", "captions", "prompt", "text")
KEYWORD_KEYS = ("words", "keywords", "tags")
TAR_URL = re.compile(r"tar:(.+?\.tar)#(.+)", re.IGNORECASE | re.DOTALL)
ROWS_AT_A_TIME = 4096
MAX_NAMES_SEEN = 1000
MAX_TOLD_BYTES = 1_000_000
"""Texts and JSON above this are no captions, and are left unread."""


def list_tar_photos(path: Path, caption_keys: str = "", counts: Counter[str] | None = None) -> Iterator[pa.Table]:
    """Photos of webdataset tars (`find_tars`), PHOTO_FIELDS in pieces, in order of tar and key. Memory holds a tar's index: the
    peak is 158 MB for 100,000 and for 300,000 samples in tars of 50,000, at 75 µs of CPU each (2026-11-21).

    Captions are the lines of KEY.txt (.text, .caption), unless KEY.json says that they are one, and `caption`, `captions`,
    `prompt` and `text` of KEY.json; upper and lower case are the same. caption_keys instead names members and keys, with commas
    between: txt, json.prompt, json.meta.caption. Keywords are its `words`, `keywords` and `tags`; licence, split and LAION's
    ratings come from it too (photo_metadata.py), and `origin` from its url. `url` is `tar:TAR#KEY`, `id` is `TAR/KEY` without
    `.tar`; `split` is the folder of the tar where it is called train, validation (val, dev) or test.

    Samples without a photo are counted in `counts`. Raises PhotosError for tars that are missing, cut, compressed or
    without photos, CaptionsError where caption_keys lead to no caption at all.
    """
    counts = Counter() if counts is None else counts
    keys = [key.strip() for key in caption_keys.split(",") if key.strip()]
    seen: Counter[str] = Counter()
    names = find_tars(path)
    root = tar_root(path)
    rows: list[dict[str, Any]] = []
    photos = captioned = 0
    with progress("Reading tars", total=len(names), unit="tar") as bar:
        for tar_name in names:
            for row in _samples(root, tar_name, keys, counts, seen):
                photos += 1
                captioned += bool(row["captions"])
                rows.append(row)
                if len(rows) >= ROWS_AT_A_TIME:
                    yield _table(rows)
                    rows = []
            bar.advance()
    if not photos:
        raise PhotosError(f"The tars in {path} hold no photos. Members KEY.jpg, KEY.png or KEY.webp were expected.")
    if not captioned:
        _without_captions(path, keys, seen)
    counts["photos without caption"] += photos - captioned
    logger.info("Found %d photos in %d tars of %s, %d with captions", photos, len(names), path, captioned)
    yield _table(rows)


def _samples(
    root: Path, tar_name: str, keys: Sequence[str], counts: Counter[str], seen: Counter[str]
) -> Iterator[dict[str, Any]]:
    tar = tar_path(root, tar_name)
    split = SPLIT_NAMES.get(posixpath.basename(posixpath.dirname(tar_name)).lower())
    with tar.open("rb") as stream:
        for key, members in sorted(read_tar_index(tar).items()):
            if photo_place(members) is None:
                counts["samples without photo"] += 1
                continue
            told = read_json(stream, members)
            if len(seen) < MAX_NAMES_SEEN:
                seen.update([*members, *(f"json.{name}" for name in told)])
            facts = facts_of(told)
            for size in ("width", "height"):  # of the stored photo or of the original? It is measured anyway
                facts.pop(size, None)
            yield {
                **facts,
                "id": sample_id(tar_name, key),
                "url": f"tar:{tar_name}#{key}",
                "captions": read_captions(stream, members, told, keys),
                "words": keywords_of([told.get(name) for name in KEYWORD_KEYS]),
                "split": split or facts.get("split"),
                "origin": facts.get("origin") or _address(told),
            }


def _address(told: dict[str, Any]) -> str | None:
    address = text_of(told.get("url"))
    return address if address and address.startswith(("http://", "https://")) else None


def _table(rows: list[dict[str, Any]]) -> pa.Table:
    more = {name: [row.get(name) for row in rows] for name in ("origin", *FACT_COLUMNS)}
    ids, urls, captions = ([row[name] for row in rows] for name in ("id", "url", "captions"))
    return photo_table(ids=ids, urls=urls, captions=captions, source="tars", **more)


def _without_captions(path: Path, keys: Sequence[str], seen: Counter[str]) -> None:
    found = [name for name, _ in seen.most_common(30)]
    if not keys:
        logger.warning("No photo in %s has a caption; beside them lie %s. See links.caption_keys", path, found)
        return
    raise CaptionsError(
        f"No photo in {path} has a caption in {', '.join(keys)} (links.caption_keys). Samples hold {', '.join(found)}. "
        f"{nearest_name(keys[0], found)}"
    )


def parse_tar_url(url: str) -> tuple[str, str]:
    """(tar name, key) of `tar:TAR#KEY`. Raises ValueError for anything else."""
    found = TAR_URL.fullmatch(url)
    if found is None:
        raise ValueError(f"{url!r} is no tar:NAME.tar#KEY")
    return found[1], found[2]


def read_text_member(stream: Any, members: dict[str, TarPlace], ending: str) -> str:
    """The text of KEY.ending, "" where there is none, or too much of it."""
    place = members.get(ending)
    if place is None or place.size > MAX_TOLD_BYTES:
        return ""
    content = os.pread(stream.fileno(), place.size, place.offset)
    return content.decode("utf-8", "replace").removeprefix("\ufeff")


def read_json(stream: Any, members: dict[str, TarPlace]) -> dict[str, Any]:
    """The object in KEY.json, its keys in lower case; an empty one where there is none, or none that can be read. A list of
    texts are captions."""
    text = read_text_member(stream, members, "json")
    try:
        told = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        return {}
    if isinstance(told, list) and all(isinstance(one, str) for one in told):
        return {"captions": told}
    lower: dict[str, Any] = {}
    for name, value in told.items() if isinstance(told, dict) else ():
        lower.setdefault(name.lower(), value)
    return lower


def read_captions(
    stream: Any, members: dict[str, TarPlace], told: dict[str, Any], keys: Sequence[str] = ()
) -> list[str]:
    """Captions of one sample, each once; see `list_tar_photos`. told: of `read_json`."""
    if keys:
        texts = [text for key in keys for text in _texts_at(stream, members, told, key)]
        return list(dict.fromkeys(texts))
    in_json = [text for key in CAPTION_KEYS for text in texts_of(told.get(key))]
    texts = []
    for ending in CAPTION_MEMBERS:
        text = read_text_member(stream, members, ending)
        whole = texts_of(text)
        texts += whole if whole and whole[0] in in_json else texts_of(text.splitlines())
    return list(dict.fromkeys([*texts, *in_json]))


def _texts_at(stream: Any, members: dict[str, TarPlace], told: dict[str, Any], key: str) -> list[str]:
    """Captions at one of links.caption_keys: a member, else a key of the JSON, with dots between levels."""
    name = key.lower().removeprefix(".")
    if name in members and name != "json":
        return texts_of(read_text_member(stream, members, name).splitlines())
    value: Any = told
    for part in name.removeprefix("json.").split("."):
        value = {str(k).lower(): v for k, v in value.items()}.get(part) if isinstance(value, dict) else None
    return texts_of(value)
