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
from typing import TYPE_CHECKING, Any

from clip_pipeline.errors import InputError
from clip_pipeline.images.catalog import plain_url
from clip_pipeline.storage.disk import hash_json, sync_path
from clip_pipeline.storage.published import published_file

if TYPE_CHECKING:
    import pyarrow as pa

TAKEDOWNS_FILE = "takedowns.jsonl"
BEGUN_FILE = ".takedown-begun.jsonl"
"""What a take-down has taken upon itself; there until the photos are nowhere any more, so that any later command ends it."""

ATTEMPT_COLUMNS = ["id", "url", "sha256", "phash"]
"""Columns of SHARD_ATTEMPTS that a photo is found by."""
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Takedown:
    """One photo that must not be kept. `sha256` is of the bytes as downloaded, "" where they were never here; `date`
    is YYYY-MM-DD; `reason` is what the person who asked wants remembered; `url` is where it was, "" in older lists."""

    id: str
    sha256: str = ""
    date: str = ""
    reason: str = ""
    url: str = ""


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
    taken down must not come back because of a slip in an editor, or of damage."""
    text = _read(path)
    photos = []
    for number, line in enumerate(text.split("\n"), start=1):  # an id or a reason may hold other ends of lines
        if not line.strip():
            continue
        try:
            photos.append(_takedown(json.loads(line)))
        except (ValueError, AttributeError, RecursionError):
            raise InputError(
                f'Line {number} of {path} is no record of a photo, expected {{"id": "...", "sha256": "..."}}. '
                "Mend the line; nothing is built until then, as a photo that was taken down could come back."
            ) from None
    return Takedowns(tuple(photos))


def _read(path: Path) -> str:
    try:
        if not path.is_file() and path.exists():
            raise InputError(f"{path} is no file, the list of photos that were taken down was expected. {_MEND}")
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is damaged: byte {error.start + 1:,} is not UTF-8. {_MEND}") from None


_MEND = (
    "Take it from a backup, or mend it; nothing is built until then, as a photo that was taken down could come back."
)


def _takedown(record: dict[str, Any]) -> Takedown:
    """The photo of a line. Raises ValueError where it names none, or something in it is no text."""
    values = {field.name: record.get(field.name, "") for field in _FIELDS}
    if not all(isinstance(value, str) for value in values.values()) or not (values["id"] or values["sha256"]):
        raise ValueError("no photo")
    values["sha256"] = values["sha256"].lower()  # capitals, as people write it by hand
    if values["sha256"] and not _SHA256.fullmatch(values["sha256"]):
        raise ValueError("no sha256")
    return Takedown(**values)


_FIELDS = dataclasses.fields(Takedown)


def add_takedowns(path: Path, photos: Iterable[Takedown]) -> Takedowns:
    """Adds photos to the list, each once, and returns the whole list, which is on the disk then. One process at a time."""
    with published_file(path) as temporary:
        known = read_takedowns(path)
        have = {(photo.id, photo.sha256) for photo in known.photos}
        new = [photo for photo in dict.fromkeys(photos) if (photo.id, photo.sha256) not in have]
        together = Takedowns((*known.photos, *new))
        _write(temporary, together)
    sync_path(path.parent)
    return together


def _write(path: Path, takedowns: Takedowns) -> None:
    lines = (json.dumps(dataclasses.asdict(photo), ensure_ascii=False) for photo in takedowns.photos)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="\n")


# ---- a take-down that has begun


def begin_take_down(folder: Path, photos: Sequence[Takedown]) -> None:
    """Writes down what is to go from `folder`, a data folder or a folder of shards, before anything is changed there."""
    with published_file(folder / BEGUN_FILE) as temporary:
        _write(temporary, Takedowns(tuple(photos)))


def has_begun_take_down(folder: Path) -> bool:
    """Whether a take-down has begun there that has not come to its end: one that was killed, or one that is at work."""
    return (folder / BEGUN_FILE).exists()


def begun_take_down(folder: Path) -> Takedowns | None:
    """What a take-down that has not come to its end took upon itself; None where there is none. Its photos are on the list then."""
    if not has_begun_take_down(folder):
        return None
    begun = read_takedowns(folder / BEGUN_FILE)
    add_takedowns(folder / TAKEDOWNS_FILE, begun.photos)
    return begun


def end_take_down(folder: Path) -> None:
    """The photos are nowhere in the folder any more."""
    (folder / BEGUN_FILE).unlink(missing_ok=True)


# ---- what a name leads to


@dataclass(frozen=True)
class Found:
    """What the names led to. photos: id and sha256 of each photo that goes, those with the same bytes as a named one
    among them. look_alikes: ids of photos that look the same but have other bytes. unknown: names that led to nothing."""

    photos: tuple[Takedown, ...]
    look_alikes: tuple[str, ...]
    unknown: tuple[str, ...]


def find_photos(
    attempts: Sequence[pa.Table], names: Sequence[str], date: str, reason: str, known: Takedowns | None = None
) -> Found:
    """The photos that `names` mean: each is an id, a url, or the sha256 of the bytes as downloaded.

    attempts: SHARD_ATTEMPTS of every shard (columns id, url, sha256, phash). A sha256 that no photo has is taken down all
    the same, so that its bytes are refused when they come. known: what was taken down before, which the names may mean too.
    """
    rows = [row for table in attempts for row in table.select(ATTEMPT_COLUMNS).to_pylist()]
    before = known.photos if known else ()
    wanted = {alias for name in names for alias in _aliases(name)}
    named = [row for row in rows if not wanted.isdisjoint(_names_of(row["id"], row["url"], row["sha256"]))]
    again = [photo for photo in before if not wanted.isdisjoint(_names_of(photo.id, photo.url, photo.sha256))]
    bytes_of_named = {row["sha256"] for row in named if row["sha256"]} | {
        photo.sha256 for photo in again if photo.sha256
    }
    going = {row["id"]: row for row in rows if row["sha256"] in bytes_of_named} | {row["id"]: row for row in named}
    seen = {name for row in going.values() for name in _names_of(row["id"], row["url"], row["sha256"])}
    seen |= {name for photo in again for name in _names_of(photo.id, photo.url, photo.sha256)}
    unknown = [name for name in names if seen.isdisjoint(_aliases(name))]
    photos = [Takedown(row["id"], row["sha256"] or "", date, reason, row["url"]) for row in going.values()]
    photos += [photo for photo in again if photo.id not in going]
    photos += [Takedown("", name.lower(), date, reason) for name in unknown if _SHA256.fullmatch(name.lower())]
    hashes = {row["phash"] for row in going.values() if row["phash"] is not None}
    alike = sorted(row["id"] for row in rows if row["phash"] in hashes and row["id"] not in going)
    return Found(
        tuple(sorted(photos, key=lambda photo: (photo.id, photo.sha256))),
        tuple(alike),
        tuple(name for name in unknown if not _SHA256.fullmatch(name.lower())),
    )


def _aliases(name: str) -> set[str]:
    """A name as people write it: the hexadecimal digits in capitals, the scheme and host of a url in other case."""
    return {name, plain_url(name), *([name.lower()] if _SHA256.fullmatch(name.lower()) else [])}


def _names_of(photo: str, url: str | None, sha256: str | None) -> set[str]:
    return {photo, url or photo, plain_url(url or photo), sha256 or photo} - {""}
