"""What lies beside a photo in a sample of a webdataset tar: its captions, and what KEY.json says."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from clip_pipeline.display.left_out import LeftOut
from clip_pipeline.machine.bounded import parse_json
from clip_pipeline.sources.photos.formats.tar_members import TarPlace
from clip_pipeline.sources.photos.metadata import facts_of, text_of
from clip_pipeline.sources.tables.columns import may_repeat
from clip_pipeline.sources.tables.encodings import decoded_text
from clip_pipeline.sources.tables.text_files import lines_of
from clip_pipeline.sources.tables.values import keywords_of, texts_of

CAPTION_MEMBERS = ("txt", "text", "caption", "captions")
KEYWORD_KEYS = ("words", "keywords", "tags")
CAPTION_KEYS = ("caption", "captions", "prompt", "text")
MAX_TEXT_BYTES = 1_000_000
"""Texts and JSON above this are no captions, and are left unread."""


@dataclass(frozen=True)
class Sample:
    """One sample of an open tar. name: as people know it. left_out: counts the texts that cannot be read."""

    stream: BinaryIO
    members: Mapping[str, TarPlace]
    name: str = ""
    left_out: LeftOut = field(default_factory=LeftOut)


def read_text_member(sample: Sample, ending: str) -> str:
    """The text of KEY.ending in UTF-8 or UTF-16, "" where there is none, too much of it, or another encoding."""
    place = sample.members.get(ending)
    if place is None:
        return ""
    if place.size > MAX_TEXT_BYTES:
        sample.left_out.add(f"text of more than {MAX_TEXT_BYTES:,} bytes", 1, f"{sample.name}.{ending}")
        return ""
    text = decoded_text(os.pread(sample.stream.fileno(), place.size, place.offset))
    if text is None:
        sample.left_out.add("text that is neither UTF-8 nor UTF-16", 1, f"{sample.name}.{ending}")
    return text or ""


def read_json(sample: Sample) -> dict[str, Any]:
    """The object in KEY.json, its keys in lower case; an empty one where there is none, or none that can be read. A text, a list of
    texts and a list of objects are captions. Of a key that stands twice, also in another case, all captions count; of others the last
    value, as every reader of JSON has it, and what is lost is counted."""
    text = read_text_member(sample, "json")
    try:
        said = parse_json(text) if text else {}
    except ValueError:
        sample.left_out.add("JSON that cannot be read", 1, f"{sample.name}.json")
        return {}
    if isinstance(said, str | list):
        return {"captions": said}
    if not isinstance(said, dict):
        return {}
    lower = {name.lower(): value for name, value in said.items()}
    repeats = len(lower) < len(said) or may_repeat(said, text.count('":') + text.count('" :'))
    return _with_repeated(sample, text, lower) if repeats else lower


def _with_repeated(sample: Sample, text: str, lower: dict[str, Any]) -> dict[str, Any]:
    pairs: list[tuple[str, Any]] = []

    def members(found: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal pairs
        pairs = found  # those of the outermost object come last
        return dict(found)

    json.loads(text, object_pairs_hook=members)
    values: dict[str, list[Any]] = {}
    for name, value in pairs:
        values.setdefault(name.lower(), []).append(value)
    for name, several in values.items():
        if name in CAPTION_KEYS and len(several) > 1:
            lower[name] = [text for value in several for text in texts_of(value)]
        elif any(value != lower[name] for value in several):
            sample.left_out.add(
                f'value of "{name}", which has several in one KEY.json', len(several) - 1, f"{sample.name}.json"
            )
    return lower


def read_captions(sample: Sample, said: dict[str, Any], keys: Sequence[str] = ()) -> list[str]:
    """Captions of one sample, each once; see `TarPhotos`. said: of `read_json`."""
    if keys:
        texts = [text for key in keys for text in _texts_at(sample, said, key)]
        return list(dict.fromkeys(texts))
    in_json = [text for key in CAPTION_KEYS for text in texts_of(said.get(key))]
    texts = []
    for ending in CAPTION_MEMBERS:
        text = read_text_member(sample, ending)
        whole = texts_of(text)
        texts += whole if whole and whole[0] in in_json else texts_of(lines_of(text))
    return list(dict.fromkeys([*texts, *in_json]))


def _texts_at(sample: Sample, said: dict[str, Any], key: str) -> list[str]:
    """Captions at one of links.caption_keys: a member, else a key of the JSON, with dots between levels."""
    name = key.lower().removeprefix(".")
    if name in sample.members and name != "json":
        return texts_of(lines_of(read_text_member(sample, name)))
    value: Any = said
    for part in name.removeprefix("json.").split("."):
        value = {str(k).lower(): v for k, v in value.items()}.get(part) if isinstance(value, dict) else None
    return texts_of(value)


def sample_facts(said: dict[str, Any]) -> dict[str, Any]:
    """What KEY.json says besides captions, by field of PHOTO_FIELDS (metadata.py); `origin` is its url where it names none."""
    facts = facts_of(said)
    for size in ("width", "height"):  # of the stored photo or of the original? It is measured anyway
        facts.pop(size, None)
    address = text_of(said.get("url"))
    web = address if address and address.startswith(("http://", "https://")) else None
    words = keywords_of([said.get(name) for name in KEYWORD_KEYS])
    return facts | {"words": words, "origin": facts.get("origin") or web}
