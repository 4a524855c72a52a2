"""Webdataset tars, of one's own or of a benchmark: their photos, with what lies beside each."""

from __future__ import annotations

import functools
import logging
import posixpath
import threading
from array import array
from bisect import bisect_right
from collections import Counter, OrderedDict
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple, overload

import pyarrow as pa

from clip_pipeline.display.left_out import LeftOut
from clip_pipeline.errors import CaptionsError, PhotosError, nearest_name
from clip_pipeline.machine.progress import progress
from clip_pipeline.sources.photos.captions import photo_table
from clip_pipeline.sources.photos.class_names import find_names_file, label_of, read_class_names
from clip_pipeline.sources.photos.formats.tar_index import read_place, read_tar_index, sample_id
from clip_pipeline.sources.photos.formats.tar_keys import TarIndex, photo_place
from clip_pipeline.sources.photos.formats.tar_members import TarPlace
from clip_pipeline.sources.photos.formats.tar_paths import find_tars, tar_path, tar_root
from clip_pipeline.sources.photos.formats.tar_sample import (
    Sample,
    read_captions,
    read_json,
    read_text_member,
    sample_facts,
)
from clip_pipeline.sources.photos.formats.unpacked_tars import plain_tar
from clip_pipeline.sources.photos.metadata import FACT_COLUMNS
from clip_pipeline.sources.photos.photos import Metadata, Photo, StoredPhotos
from clip_pipeline.sources.photos.splits import SPLIT_NAMES

logger = logging.getLogger(__name__)

ROWS_AT_A_TIME = 4096
MAX_NAMES_SEEN = 1000
SAMPLES_KEPT = 20_000
"""Besides those of the last tar; about 0.6 KB each."""


class _Tar(NamedTuple):
    """A tar's samples and its photos, both in the order of their keys."""

    path: Path
    name: str
    samples: TarIndex
    photos: list[tuple[str, TarPlace]]


class _Everything(NamedTuple):
    """All photos: names, and where each lies: the number of its tar, offset and size."""

    names: list[str]
    tars: array
    offsets: array
    sizes: array


class TarPhotos(StoredPhotos):
    """Photos of webdataset tars (`find_tars`), in order of tar and key, named TAR/KEY without `.tar` or `.tar.gz`.

    Nothing is kept of a photo until its metadata are asked for: the headers of a tar are read when its turn comes, and again
    where it is wanted again later. So `len`, which reads the headers of all, finds a damaged tar.

    Metadata: captions; labels of KEY.cls where every sample has one, with the names in classnames.txt beside the tars or above;
    splits where the tars lie in folders, which may have any name.

    Captions are the lines of KEY.txt (.text, .caption), unless KEY.json says that they are one, and `caption`, `captions`,
    `prompt` and `text` of KEY.json; upper and lower case are the same. caption_keys instead names members and keys, with commas
    between: txt, json.prompt, json.meta.caption.

    samples: those of the tar, where there is one and they are known. samples_kept: in memory, of the tars that were asked for
    last. Raises PhotosError for tars that are missing, cut or without photos.
    """

    def __init__(
        self,
        path: Path,
        caption_keys: str = "",
        samples: TarIndex | None = None,
        samples_kept: int = SAMPLES_KEPT,
    ):
        self.passed_over = LeftOut()
        self._path, self._tar_names = path, find_tars(path, self.passed_over)
        root = tar_root(path)
        self._tar_paths = [tar_path(root, name) for name in self._tar_names]
        self._keys = [key.strip() for key in caption_keys.split(",") if key.strip()]
        self._read: OrderedDict[int, _Tar] = OrderedDict()
        self._lock, self._samples_kept, self._said = threading.Lock(), samples_kept, False
        self._everything: _Everything | None = None
        if samples is not None:
            self._read[0] = self._sorted(0, samples)

    def _sorted(self, number: int, samples: TarIndex) -> _Tar:
        samples = TarIndex(dict(sorted(samples.items())), samples.left_out)
        photos = [(key, place) for key, members in samples.items() if (place := photo_place(members))]
        return _Tar(self._tar_paths[number], self._tar_names[number], samples, photos)

    def _tar(self, number: int) -> _Tar:
        with self._lock:  # one thread reads the headers, the others wait for them
            if number not in self._read:
                while self._read and sum(len(tar.samples) for tar in self._read.values()) >= self._samples_kept:
                    self._read.popitem(last=False)
                self._read[number] = self._sorted(number, read_tar_index(self._tar_paths[number]))
            self._read.move_to_end(number)
            return self._read[number]

    def _tars(self) -> Iterator[_Tar]:
        return map(self._tar, range(len(self._tar_names)))

    @functools.cached_property
    def _ends(self) -> list[int]:
        """How many photos there are up to the end of each tar. Raises PhotosError where there is none."""
        lost, counts = LeftOut(), []
        for tar in self._tars():
            tar.samples.count_lost(tar.name, lost)
            counts.append(len(tar.photos))
        ends = list(accumulate(counts))
        if not ends[-1]:
            raise self._without_photos()
        if not self._said:
            lost.say(str(self._path))
        self._said = True
        return ends

    def _without_photos(self) -> PhotosError:
        return PhotosError(
            f"The tars in {self._path} hold no photos. Members KEY.jpg, KEY.png or KEY.webp were expected."
        )

    def __len__(self) -> int:
        return len(self._everything.names) if self._everything else self._ends[-1]

    @property
    def names(self) -> Sequence[str]:  # type: ignore[override]
        """See `Photos`."""
        return self._everything.names if self._everything else _Names(self)

    def files(self) -> list[Path]:
        """See `StoredPhotos`."""
        return self._tar_paths

    def locate(self, row: int) -> tuple[str, Path, TarPlace]:
        """(name, tar, where in it) of a photo. Raises IndexError for a row that is not there."""
        if not 0 <= row < len(self):
            raise IndexError(row)
        if self._everything:
            names, tars, offsets, sizes = self._everything
            return names[row], self._tar_paths[tars[row]], TarPlace(offsets[row], sizes[row])
        number = bisect_right(self._ends, row)
        tar = self._tar(number)
        key, place = tar.photos[row - (self._ends[number - 1] if number else 0)]
        return sample_id(tar.name, key), tar.path, place

    def read(self, row: int) -> bytes:
        """See `Photos`."""
        _, tar, place = self.locate(row)
        return read_place(tar, place)

    def __iter__(self) -> Iterator[Photo]:
        for tar in self._tars():
            for key, place in tar.photos:
                yield Photo(sample_id(tar.name, key), f"{tar.path}#{key}", partial(read_place, tar.path, place))

    @functools.cached_property
    def metadata(self) -> Metadata:
        """See `Photos`. Keeps the names and places of all photos too."""
        every, lost = _Everything([], array("l"), array("q"), array("q")), LeftOut()
        lost.take(self.passed_over)
        captions: list[list[str]] = []
        labels: list[int | None] = []
        splits: list[str] = []
        for number, tar in enumerate(self._tars()):
            tar.samples.count_lost(tar.name, lost)
            with plain_tar(tar.path).open("rb") as stream:
                for key, place in tar.photos:
                    every.names.append(sample_id(tar.name, key))
                    every.tars.append(number)
                    every.offsets.append(place.offset)
                    every.sizes.append(place.size)
                    sample = Sample(stream, tar.samples[key], every.names[-1], lost)
                    captions.append(read_captions(sample, read_json(sample), self._keys))
                    labels.append(label_of(tar.path, key, read_text_member(sample, "cls")))
                    splits.append(posixpath.dirname(tar.name))
        if not every.names:
            raise self._without_photos()
        known = [label for label in labels if label is not None]
        labelled = bool(known) and (len(known) == len(labels) or not any(captions))
        if labelled and len(known) < len(labels):
            lost.add("photos without a label (KEY.cls)", labels.count(None), every.names[labels.index(None)])
        found = Metadata(
            labels=labels if labelled else None,
            class_names=read_class_names(self._path, known) if labelled else None,
            names_from=str(find_names_file(self._path) or ""),
            captions=captions if any(captions) else None,
            splits=splits if all(splits) else None,
            left_out=lost,
        )
        self._everything, self._said = every, True
        return found

    def table(self, counts: LeftOut) -> Iterator[pa.Table]:
        """See `Photos`. Memory holds a tar's index: the peak is 158 MB for 100,000 and for 300,000 samples in tars of 50,000, at
        75 µs of CPU each (2026-11-21).

        Keywords are `words`, `keywords` and `tags` of KEY.json; licence, split and LAION's ratings come from it too
        (metadata.py), and `origin` from its url. `url` is `tar:TAR#KEY`; `split` is the folder of the tar where it is called
        train, validation (val, dev) or test. Samples without a photo are counted. Raises CaptionsError where caption_keys lead
        to no caption at all.
        """
        seen: Counter[str] = Counter()
        rows: list[dict[str, Any]] = []
        photos, captioned, uncaptioned = 0, 0, ""
        counts.take(self.passed_over)
        with progress("Reading tars", total=len(self._tar_names), unit="tar") as bar:
            for tar in self._tars():
                for row in self._rows(tar, counts, seen):
                    photos += 1
                    captioned += bool(row["captions"])
                    uncaptioned = uncaptioned or ("" if row["captions"] else row["id"])
                    rows.append(row)
                    if len(rows) >= ROWS_AT_A_TIME:
                        yield _table(rows)
                        rows = []
                bar.advance()
        if not photos:
            raise self._without_photos()
        if not captioned:
            self._check_caption_keys(seen)
        counts.add("photo without caption", photos - captioned, uncaptioned)
        logger.info(
            "Found %d photos in %d tars of %s, %d with captions", photos, len(self._tar_names), self._path, captioned
        )
        yield _table(rows)

    def _rows(self, tar: _Tar, counts: LeftOut, seen: Counter[str]) -> Iterator[dict[str, Any]]:
        split = SPLIT_NAMES.get(posixpath.basename(posixpath.dirname(tar.name)).lower())
        tar.samples.count_lost(tar.name, counts)
        with plain_tar(tar.path).open("rb") as stream:
            for key, _ in tar.photos:
                sample = Sample(stream, tar.samples[key], f"{tar.name}: {key}", counts)
                said = read_json(sample)
                if len(seen) < MAX_NAMES_SEEN:
                    seen.update([*sample.members, *(f"json.{name}" for name in said)])
                facts = sample_facts(said)
                yield {
                    **facts,
                    "id": sample_id(tar.name, key),
                    "url": f"tar:{tar.name}#{key}",
                    "captions": read_captions(sample, said, self._keys),
                    "split": split or facts.get("split"),
                }

    def _check_caption_keys(self, seen: Counter[str]) -> None:
        found = [name for name, _ in seen.most_common(30)]
        if not self._keys:
            logger.warning(
                "No photo in %s has a caption; beside them lie %s. See links.caption_keys", self._path, found
            )
            return
        raise CaptionsError(
            f"No photo in {self._path} has a caption in {', '.join(self._keys)} (links.caption_keys). Samples hold "
            f"{', '.join(found)}. {nearest_name(self._keys[0], found)}"
        )


class _Names(Sequence[str]):
    """Names of photos that are read from the headers as they are asked for."""

    def __init__(self, photos: TarPhotos):
        self._photos = photos

    def __len__(self) -> int:
        return len(self._photos)

    def __iter__(self) -> Iterator[str]:
        return (photo.name for photo in self._photos)

    @overload
    def __getitem__(self, row: int) -> str: ...
    @overload
    def __getitem__(self, row: slice) -> list[str]: ...
    def __getitem__(self, row: int | slice) -> str | list[str]:
        if isinstance(row, slice):
            return [self[one] for one in range(*row.indices(len(self)))]
        return self._photos.locate(row)[0]


def _table(rows: list[dict[str, Any]]) -> pa.Table:
    more = {name: [row.get(name) for row in rows] for name in ("origin", *FACT_COLUMNS)}
    ids, urls, captions = ([row[name] for row in rows] for name in ("id", "url", "captions"))
    return photo_table(ids=ids, urls=urls, captions=captions, source="tars", **more)
