"""The registry: what is known of each dataset that has a name, as it stands in entries/*.json."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clip_pipeline.errors import DatasetError, nearest_name

ENTRIES = Path(__file__).parent / "entries"


@dataclass(frozen=True)
class Download:
    """One file that the publisher offers. size: bytes, as known when the entry was written. md5, sha256: of the file.

    unpack: patterns of the members that are taken out of it; empty for a file that stays as it is. inner: the same for
    archives that lie in it.
    """

    url: str
    size: int
    md5: str = ""
    sha256: str = ""
    unpack: tuple[str, ...] = ()
    inner: tuple[str, ...] = ()


@dataclass(frozen=True)
class Entry:
    """A dataset of the registry.

    reader: what opens its files: folders (one a class), captions, digits, generated, or one of `opening.OF_ARRAYS_AND_LISTS`. classes: how many. photos: how many by split, of the whole
    set; per_class: how many of each class by split, where all have as many. captions: the fewest a photo has.
    names, templates: files in names/ and templates/, or `imagenet`. left_out: class folders that are no class of it. below:
    the folder that its class folders are in. files: caption files that are taken before others. needs_files: whether it is read from files.
    terms: what who downloads it agrees to. by_hand: what to do where it may not be downloaded for you.
    """

    name: str
    title: str
    about: str
    reader: str
    licence: str
    home: str
    expects: str
    task: str = "labels"
    classes: int = 0
    photos: Mapping[str, int] = field(default_factory=dict)
    per_class: Mapping[str, int] = field(default_factory=dict)
    captions: int = 0
    names: str = ""
    templates: str = ""
    left_out: tuple[str, ...] = ()
    below: str = ""
    files: tuple[str, ...] = ()
    needs_files: bool = True
    downloads: tuple[Download, ...] = ()
    terms: str = ""
    by_hand: str = ""

    @property
    def size(self) -> int:
        """Bytes of all its downloads."""
        return sum(download.size for download in self.downloads)


@functools.cache
def entries() -> Mapping[str, Entry]:
    """Every dataset of the registry by name, sorted."""
    return {
        path.stem: _entry(path.stem, json.loads(path.read_text("utf-8"))) for path in sorted(ENTRIES.glob("*.json"))
    }


def _entry(name: str, fields: dict[str, Any]) -> Entry:
    downloads = tuple(
        Download(**{key: _frozen(value) for key, value in one.items()}) for one in fields.pop("downloads", [])
    )
    return Entry(name=name, downloads=downloads, **{key: _frozen(value) for key, value in fields.items()})


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def find_entry(name: str) -> Entry:
    """The dataset of that name. Raises DatasetError with the nearest name."""
    found = entries().get(name)
    if found is None:
        raise DatasetError(f'There is no dataset "{name}". {nearest_name(name, entries())}')
    return found
