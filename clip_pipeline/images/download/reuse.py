"""An older shard as a source of photos: what it holds need not be fetched again, what it failed at only where it may pass."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from clip_pipeline.sources.photos.formats.tar_index import ENDINGS, read_tar_index
from clip_pipeline.sources.web import retries

SHARDS_VERSION = "2"
"""Raised when other bytes are written from the same photos; a shard of another version is not reused. A column that comes from
the catalog is no reason: the catalog's version is raised then, and the shard is made again from what the old one holds."""

MAY_PASS = ("timeout", "connection_error", "decoder_crashed", "missing_file")
"""Statuses of failures that another try may not meet. An http_error is one of them when its number says so."""

FOUND = (
    *("width", "height", "original_width", "original_height", "exif", "sha256", "phash", "thumbnail"),
    *("text_share",),
)
"""Columns of a shard's table that come from the photo, not from the catalog."""


def may_pass(status: str, message: str | None) -> bool:
    """Whether a failure is worth another try: 404 is not, 503 is, and so is a pause that was too long to wait for."""
    if status == "http_error":
        number = re.fullmatch(r"HTTP (\d+)", message or "")
        if number is None:
            return "pause" in (message or "")
        return retries.may_pass(int(number[1]))
    return status in MAY_PASS


class PreviousShard:
    """A finished shard in a folder, made with the same settings. Use as a context manager around `attempt`.

    with_passing: give also the failures that another try may not meet, so that nothing needs another try.
    """

    def __init__(self, folder: Path, shard: str, with_passing: bool = False):
        self._folder, self._shard, self._with_passing = folder, shard, with_passing

    def __enter__(self) -> PreviousShard:
        import pyarrow.parquet as pq

        tar = self._folder / f"{self._shard}.tar"
        columns = ["id", "url", "key", "status", "error_message", *FOUND]
        rows = pq.read_table(self._folder / f"{self._shard}.parquet", columns=columns).to_pylist()
        lasting = (row for row in rows if self._with_passing or not may_pass(row["status"], row["error_message"]))
        self._rows = {row["url"]: row for row in lasting}
        self._members = read_tar_index(tar, ended=True)
        self._tar = tar.open("rb")
        return self

    def __exit__(self, *_: object) -> None:
        self._tar.close()

    def attempt(self, row: dict[str, Any]) -> tuple[dict[str, Any], bytes] | None:
        """(attempt, bytes stored) of the photo with the same url as that row of the catalog, as the journal has it."""
        old = self._rows.get(row["url"])
        if old is None:
            return None
        about = {"id": row["id"], "url": row["url"], "status": old["status"]}
        if old["status"] != "success":
            return about | {"error_message": old["error_message"]}, b""
        members = self._members.get(old["key"], {})
        ending = next((ending for ending in ENDINGS.values() if ending in members), None)
        if ending is None:
            return None
        offset, size = members[ending]
        self._tar.seek(offset)
        found = {name: old[name] for name in FOUND} | {"thumbnail": old["thumbnail"].hex(), "ending": ending}
        return about | found, self._tar.read(size)
