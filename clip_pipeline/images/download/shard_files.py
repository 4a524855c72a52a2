"""The journal of one shard into its files: tar, table and stats, in the order of the keys."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clip_pipeline.images.download.decode_worker import TAKEN_DOWN
from clip_pipeline.images.download.journal import Journal
from clip_pipeline.images.download.outage import INCOMPLETE, example_of, wants_another_try
from clip_pipeline.images.shards.tar import ShardWriter
from clip_pipeline.records import RATING_FIELDS, SHARD_ATTEMPTS

if TYPE_CHECKING:
    import pyarrow as pa

logger = logging.getLogger(__name__)

ROWS_AT_A_TIME = 1000
FAILED_TO_RESIZE = (
    *("not_an_image", "too_many_pixels", "too_costly", "broken_image", "too_small", "decoder_crashed", "taken_down"),
)
"""What img2dataset counts as failures after the download."""

LEFT_OUT_OF_JSON = ("thumbnail", "error_message", "text_share")
"""Columns that the JSON beside the photo leaves out."""

OPTIONAL_IN_JSON = frozenset(("origin", *(field.name for field in RATING_FIELDS)))
"""Columns that it leaves out where they are null: so it reads as it did before there were these."""


def rows_of(photos: pa.Table) -> Iterator[dict[str, Any]]:
    """The rows of the catalog, a few in memory at a time."""
    for start in range(0, len(photos), ROWS_AT_A_TIME):
        yield from photos.slice(start, ROWS_AT_A_TIME).to_pylist()


def identity(row: dict[str, Any]) -> tuple[str, str]:
    """What the journal knows a photo by: its id and url."""
    return row["id"], row["url"]


def write_files(
    photos: pa.Table, journal: Journal, folder: Path, shard: str, taken_down: Collection[str]
) -> dict[str, Any]:
    """Writes NNNNN.tar, NNNNN.parquet and NNNNN_stats.json into `folder`; returns what the stats say. The arguments are those of
    `download_shard`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    statuses: Counter[str] = Counter()
    costly = ""
    stored_bytes = lacking = 0
    example = ""
    table = folder / f"{shard}.parquet"
    with (
        ShardWriter(folder / f"{shard}.tar") as tar,
        pq.ParquetWriter(table, SHARD_ATTEMPTS, compression="zstd") as writer,
    ):
        for start in range(0, max(len(photos), 1), ROWS_AT_A_TIME):
            rows = []
            for row in photos.slice(start, ROWS_AT_A_TIME).to_pylist():
                about, photo = journal.read(identity(row))
                if about.get("sha256") in taken_down:  # from an older shard, or from before the take-down
                    about = {"status": "taken_down", "error_message": TAKEN_DOWN}
                ending = about.pop("ending", None)
                row = _row(row, about)
                if ending is not None:
                    tar.add(row["key"], _members(row, photo, ending))
                    stored_bytes += len(photo)
                statuses[row["status"]] += 1
                if row["status"] == "too_costly":
                    costly = costly or f"{row['id']!r}, {row['error_message']}"
                if wants_another_try(row):
                    lacking, example = lacking + 1, example or example_of(row)
                rows.append(row)
            writer.write_table(pa.Table.from_pylist(rows, schema=SHARD_ATTEMPTS))
    if costly:
        logger.warning(
            "Shard %s: %s photos were refused for what decoding them would take, such as %s. The limits are "
            "download.max_decode_memory and download.max_decode_seconds.",
            shard,
            f"{statuses['too_costly']:,}",
            costly,
        )
    stats = _stats(shard, statuses, stored_bytes)
    if lacking:
        stats[INCOMPLETE] = {"photos": lacking, "example": example}
    (folder / f"{shard}_stats.json").write_text(stats_text(stats))
    return stats


def _row(row: dict[str, Any], about: dict[str, Any]) -> dict[str, Any]:
    """SHARD_ATTEMPTS. A photo that is not stored has no size, whatever the source said of the original."""
    if "thumbnail" in about:
        about["thumbnail"] = bytes.fromhex(about["thumbnail"])
    caption = row["captions"][0] if row["captions"] else None
    return row | {"caption": caption, "error_message": None, "width": None, "height": None} | about


def _members(row: dict[str, Any], photo: bytes, ending: str) -> dict[str, bytes]:
    """The files of one sample: photo, first caption, and everything else that is known of it."""
    about = {
        name: value
        for name, value in row.items()
        if name not in LEFT_OUT_OF_JSON and not (value is None and name in OPTIONAL_IN_JSON)
    }
    return {
        ending: photo,
        "txt": (row["caption"] or "").encode(),
        "json": json.dumps(about, sort_keys=True, ensure_ascii=False).encode(),
    }


def _stats(shard: str, statuses: Counter[str], stored_bytes: int) -> dict[str, Any]:
    """Ours, and below the names that img2dataset gives them. How long it took is not said: equal shards are equal bytes."""
    tried, stored = statuses.total(), statuses["success"]
    unusable = sum(statuses[status] for status in FAILED_TO_RESIZE)
    return {
        "shard": shard,
        "tried": tried,
        "bytes": stored_bytes,
        "status": dict(sorted(statuses.items())),
        "count": tried,
        "successes": stored,
        "failed_to_download": tried - stored - unusable,
        "failed_to_resize": unusable,
    }


def stats_text(stats: dict[str, Any]) -> str:
    """The stats as they are written."""
    return json.dumps(stats, indent=1, sort_keys=True) + "\n"
