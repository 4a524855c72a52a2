"""An older shard as a source of photos: what it holds need not be fetched again, and no failure takes its place."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from clip_pipeline.errors import PhotosError
from clip_pipeline.images.download.limits import judged
from clip_pipeline.images.download.outage import standing_in, wants_another_try
from clip_pipeline.pixels.headers.jpeg import read_jpeg
from clip_pipeline.pixels.headers.jpeg_alone import jpeg_alone
from clip_pipeline.settings import DownloadSettings
from clip_pipeline.sources.photos.formats.tar_index import ENDINGS, read_tar_index

logger = logging.getLogger(__name__)

SHARDS_VERSION = "3"
"""Raised when other bytes are written from the same photos; a shard of another version is not reused. A column that comes from
the catalog is no reason: the catalog's version is raised then, and the shard is made again from what the old one holds."""

FOUND = (
    *("width", "height", "original_width", "original_height", "exif", "sha256", "phash", "thumbnail"),
    *("text_share",),
)
"""Columns of a shard's table that come from the photo, not from the catalog."""

ANSWERS = ("robots_txt", "robots_header", "taken_down", "too_many_bytes", "too_many_pixels", "too_small")
"""What may take a stored photo's place when it is asked for again: somebody's word, or a limit. A failure may not."""

Attempt = tuple[dict[str, Any], bytes]
"""An attempt as the journal has it, and the bytes stored, none of a failure."""


class PreviousShard:
    """A finished shard in a folder. Use as a context manager around `attempt` and `stand_in`, which many threads may call.

    settings: today's. same_form: whether it was made in the same form from the same files, so that its photos are those that would
    be stored today. ask_again: nothing of it is taken without asking. as_it_is: all of it is taken, also failures that may pass, so
    that nothing needs another try.
    """

    def __init__(
        self,
        folder: Path,
        shard: str,
        settings: DownloadSettings,
        *,
        same_form: bool = True,
        ask_again: bool = False,
        as_it_is: bool = False,
    ):
        self._folder, self._shard, self._settings = folder, shard, settings
        self._same_form, self._as_it_is = same_form, as_it_is
        self._asks_all = ask_again or not same_form

    def __enter__(self) -> PreviousShard:
        import pyarrow as pa

        self._rows: dict[str, dict[str, Any]] = {}
        self._tar: BinaryIO | None = None
        try:
            self._read()
        except (OSError, pa.ArrowException, PhotosError) as error:
            if self._as_it_is:
                raise
            self._rows = {}
            name = self._folder / f"{self._shard}.tar"
            logger.warning(
                "%s is damaged (%s): nothing is taken from it, and its photos are asked for again.", name, error
            )
        return self

    def _read(self) -> None:
        import pyarrow.parquet as pq

        tar = self._folder / f"{self._shard}.tar"
        columns = ["id", "url", "key", "status", "error_message", *FOUND]
        with pq.ParquetFile(self._folder / f"{self._shard}.parquet") as file:
            there = set(file.schema_arrow.names)
            rows = file.read(columns=columns).to_pylist() if there.issuperset(columns) else []
        self._rows = {row["url"]: row for row in rows}
        self._members = read_tar_index(tar, ended=True)
        self._tar = tar.open("rb")

    def __exit__(self, *_: object) -> None:
        if self._tar is not None:
            self._tar.close()

    def attempt(self, row: Mapping[str, Any]) -> Attempt | None:
        """What is known of the photo with the same url as that row of the catalog, None where it is to be asked for."""
        old = self._rows.get(row["url"])
        if old is None or (not self._as_it_is and (self._asks_all or _is_open(old))):
            return None
        known = self._stored(row, old)
        if known is None or self._as_it_is:
            return known
        about = judged(known[0], len(known[1]), self._settings)
        return None if about is None else (about, known[1] if about["status"] == "success" else b"")

    def holds(self, url: str) -> bool:
        """Whether the shard has a photo of that url."""
        return url in self._rows and self._rows[url]["status"] == "success"

    def lacks(self, url: str) -> bool:
        """Whether the shard already lacks the photo of that url for now: another try in vain makes nothing worse."""
        return url in self._rows and wants_another_try(self._rows[url])

    def stand_in(self, row: Mapping[str, Any], failure: Mapping[str, Any]) -> Attempt | None:
        """The stored photo that a failure must not replace; None where there is none, or where the failure is an answer.

        A photo in another form than today's keeps the failure as its error_message: it is asked for again while that may pass.
        """
        if failure["status"] in ANSWERS or not self.holds(row["url"]):
            return None
        old = self._rows[row["url"]]
        known = self._stored(row, old)
        if known is None:
            return None
        about = judged(known[0], len(known[1]), self._settings)
        if about is None or about["status"] != "success":
            return None
        if self._same_form and not old["error_message"]:
            return known
        return about | {"error_message": standing_in(failure)}, self._alone(about["ending"], known[1])

    def _alone(self, ending: str, photo: bytes) -> bytes:
        """A photo that is kept, without what an older version may have stored beside the image."""
        if self._settings.resize == "original" or ending != "jpg":
            return photo
        try:
            return jpeg_alone(read_jpeg(photo)) or photo
        except ValueError:  # an older version took it for a photo; nobody asks for it in vain
            return photo

    def _stored(self, row: Mapping[str, Any], old: Mapping[str, Any]) -> Attempt | None:
        about = {"id": row["id"], "url": row["url"], "status": old["status"]}
        if old["error_message"]:
            about["error_message"] = old["error_message"]
        if old["status"] != "success":
            return about | {"error_message": old["error_message"]}, b""
        members = self._members.get(old["key"], {})
        ending = next((ending for ending in ENDINGS.values() if ending in members), None)
        if ending is None or self._tar is None:
            return None
        offset, size = members[ending]
        found = {name: old[name] for name in FOUND} | {"thumbnail": old["thumbnail"].hex(), "ending": ending}
        return about | found, os.pread(self._tar.fileno(), size, offset)


def _is_open(old: Mapping[str, Any]) -> bool:
    """Whether another try may bring more than the old shard has: a decoder that died may have been short of memory."""
    return wants_another_try(old) or old["status"] == "decoder_crashed"
