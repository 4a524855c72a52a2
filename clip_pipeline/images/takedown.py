"""Photos that were taken down: the list of them, which only grows, and how a photo is found by what people know of it.

The list is one JSON line a photo, `takedowns.jsonl`. It outlives everything that is built: the catalog leaves out the
ids in it, and a download drops any bytes whose sha256 is in it, so that a photo does not come back under another name.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from clip_pipeline.errors import InputError
from clip_pipeline.storage.disk import hash_json
from clip_pipeline.storage.published import published_file

if TYPE_CHECKING:
    import pyarrow as pa

TAKEDOWNS_FILE = "takedowns.jsonl"
ATTEMPT_COLUMNS = ["id", "url", "sha256", "phash"]
"""Columns of SHARD_ATTEMPTS that a photo is found by."""
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Takedown:
    """One photo that must not be kept. `sha256` is of the bytes as downloaded, "" where they were never here; `date`
    is YYYY-MM-DD; `reason` is what the person who asked wants remembered."""

    id: str
    sha256: str = ""
    date: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Takedowns:
    """Everything that was taken down."""

    photos: tuple[Takedown, ...] = ()

    @property
    def ids(self) -> frozenset[str]:
        return frozenset(photo.id for photo in self.photos if photo.id)

    @property
    def sha256s(self) -> frozenset[str]:
        return frozenset(photo.sha256 for photo in self.photos if photo.sha256)

    def inputs(self) -> dict[str, str]:
        """What a step that leaves photos out by id adds to its inputs; nothing while the list is empty."""
        return {"taken down": hash_json(sorted(self.ids))} if self.ids else {}


def read_takedowns(path: Path) -> Takedowns:
    """The list at `path`, empty where there is none. Raises InputError for a line that cannot be read: photos that were
    taken down must not come back because of a slip in an editor."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Takedowns()
    photos = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
            photos.append(Takedown(**{field.name: str(record.get(field.name, "")) for field in _FIELDS}))
        except (ValueError, AttributeError):
            raise InputError(
                f'Line {number} of {path} is no record of a photo, expected {{"id": "...", "sha256": "..."}}. '
                "Mend the line; nothing is built until then, as a photo that was taken down could come back."
            ) from None
    return Takedowns(tuple(photos))


_FIELDS = dataclasses.fields(Takedown)


def add_takedowns(path: Path, photos: Iterable[Takedown]) -> Takedowns:
    """Adds photos to the list, each once, and returns the whole list."""
    known = read_takedowns(path)
    have = {(photo.id, photo.sha256) for photo in known.photos}
    new = [photo for photo in dict.fromkeys(photos) if (photo.id, photo.sha256) not in have]
    together = Takedowns((*known.photos, *new))
    with published_file(path) as temporary:
        lines = (json.dumps(dataclasses.asdict(photo), ensure_ascii=False) for photo in together.photos)
        temporary.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return together


@dataclass(frozen=True)
class Found:
    """What the names led to. photos: id and sha256 of each photo that goes, those with the same bytes as a named one
    among them. look_alikes: ids of photos that look the same but have other bytes. unknown: names that led to nothing."""

    photos: tuple[Takedown, ...]
    look_alikes: tuple[str, ...]
    unknown: tuple[str, ...]


def find_photos(attempts: Sequence[pa.Table], names: Sequence[str], date: str, reason: str) -> Found:
    """The photos that `names` mean: each is an id, a url, or the sha256 of the bytes as downloaded.

    attempts: SHARD_ATTEMPTS of every shard (columns id, url, sha256, phash). A sha256 that no photo has is taken down all
    the same, so that its bytes are refused when they come.
    """
    rows = [row for table in attempts for row in table.select(ATTEMPT_COLUMNS).to_pylist()]
    wanted = set(names)
    named = [row for row in rows if wanted & {row["id"], row["url"], row["sha256"]}]
    bytes_of_named = {row["sha256"] for row in named if row["sha256"]}
    going = {row["id"]: row for row in rows if row["sha256"] in bytes_of_named} | {row["id"]: row for row in named}
    seen = {value for row in going.values() for value in (row["id"], row["url"], row["sha256"])}
    unknown = [name for name in names if name not in seen]
    photos = [Takedown(row["id"], row["sha256"] or "", date, reason) for row in going.values()]
    photos += [Takedown("", name, date, reason) for name in unknown if _SHA256.fullmatch(name)]
    looks = {row["phash"] for row in going.values() if row["phash"] is not None}
    alike = sorted(row["id"] for row in rows if row["phash"] in looks and row["id"] not in going)
    return Found(
        tuple(sorted(photos, key=lambda photo: (photo.id, photo.sha256))),
        tuple(alike),
        tuple(name for name in unknown if not _SHA256.fullmatch(name)),
    )
