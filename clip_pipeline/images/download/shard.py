"""Photos of one shard: fetched at the same time, decoded by processes of their own, written in the order of their keys."""

from __future__ import annotations

import json
import logging
import threading
from collections import Counter
from collections.abc import Collection, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clip_pipeline.images.download.decode_pool import DecodePool, Job, shared_decode_pool
from clip_pipeline.images.download.decode_worker import TAKEN_DOWN
from clip_pipeline.images.download.journal import Entry, Journal
from clip_pipeline.images.download.reuse import PreviousShard
from clip_pipeline.images.shards.tar import ShardWriter
from clip_pipeline.machine.progress import ProgressBar, progress
from clip_pipeline.records import RATING_FIELDS, SHARD_ATTEMPTS
from clip_pipeline.settings import DownloadSettings
from clip_pipeline.sources.web.fair_queue import FairQueue
from clip_pipeline.storage.scratch import scratch_folder

if TYPE_CHECKING:
    import pyarrow as pa

    from clip_pipeline.sources.fetch import PhotoFetcher

logger = logging.getLogger(__name__)

ROWS_AT_A_TIME = 1000
FAILED_TO_RESIZE = ("not_an_image", "too_many_pixels", "broken_image", "too_small", "decoder_crashed", "taken_down")
"""What img2dataset counts as failures after the download."""

UNTOLD = ("thumbnail", "error_message", "text_share")
"""Columns that the JSON beside the photo leaves out."""

TOLD_IF_KNOWN = frozenset(("origin", *(field.name for field in RATING_FIELDS)))
"""Columns that it leaves out where they are null: so it reads as it did before there were these."""


def download_shard(
    photos: pa.Table,
    folder: Path,
    settings: DownloadSettings,
    fetcher: PhotoFetcher,
    *,
    work: Path | None = None,
    decoders: DecodePool | None = None,
    previous: PreviousShard | None = None,
    taken_down: Collection[str] = (),
    threads: Executor | None = None,
    bar: ProgressBar | None = None,
) -> dict[str, Any]:
    """Writes NNNNN.tar (jpg, json, txt a photo), NNNNN.parquet (every attempt) and NNNNN_stats.json into `folder`.

    photos: PHOTO_CATALOG rows of one shard, sorted by key. work: folder of the journal of finished attempts: a killed
    download that finds it again fetches none of them twice. previous: an older shard to take photos from. taken_down:
    sha256 of downloads that must not be stored. threads: where the fetching is done, by default by as many threads
    as the settings allow connections.

    Returns what the stats say. A photo that cannot be had is a row with its reason. The bytes of the three files depend
    on what was fetched, not on how many connections or processes there were or which answer came first. Only the table of
    the photos is held in memory, not the photos.
    """
    shard = photos["shard"][0].as_py()
    with scratch_folder("journal") if work is None else nullcontext(work) as journal_folder:
        journal = Journal(journal_folder)
        try:
            if bar is not None:
                _attempt_all(photos, journal, settings, fetcher, decoders, previous, taken_down, threads, bar)
            else:
                with progress(f"Downloading shard {shard}", total=len(photos), unit="photo") as own:
                    _attempt_all(photos, journal, settings, fetcher, decoders, previous, taken_down, threads, own)
            stats = _write_files(photos, journal, folder, shard, frozenset(taken_down))
        finally:
            journal.close()
    logger.info("Shard %s: %s", shard, stats["status"])
    return stats


def _rows(photos: pa.Table) -> Iterator[dict[str, Any]]:
    for start in range(0, len(photos), ROWS_AT_A_TIME):
        yield from photos.slice(start, ROWS_AT_A_TIME).to_pylist()


def _identity(row: dict[str, Any]) -> tuple[str, str]:
    return row["id"], row["url"]


# ---- every photo into the journal


def _attempt_all(
    photos: pa.Table,
    journal: Journal,
    settings: DownloadSettings,
    fetcher: PhotoFetcher,
    decoders: DecodePool | None,
    previous: PreviousShard | None,
    taken_down: Collection[str],
    threads: Executor | None,
    bar: ProgressBar,
) -> None:
    if previous is not None:
        with previous:
            for row in _rows(photos):
                if _identity(row) not in journal and (known := previous.attempt(row)) is not None:
                    journal.write(*known)
    identities = zip(photos["id"].to_pylist(), photos["url"].to_pylist(), strict=True)
    missing = [photo for photo in identities if photo not in journal]
    bar.advance(len(photos) - len(missing))
    if not missing:
        return
    crew = threads or ThreadPoolExecutor(settings.connections, thread_name_prefix="download")
    decoders = decoders or shared_decode_pool(0)
    try:
        with decoders.job(journal.folder, settings, taken_down) as job:
            turns = FairQueue([url for _, url in missing], settings.connections, settings.connections_per_host)
            fetching = _Fetching(missing, turns, journal, fetcher, job, bar)
            running = [crew.submit(fetching.run) for _ in range(min(settings.connections, len(missing)))]
            for one in running:
                one.result()
            job.wait()
    finally:
        if threads is None:
            crew.shutdown()


class _Fetching:
    """What the threads that fetch the photos of one shard share: each takes the next photo until there is none."""

    def __init__(
        self,
        photos: list[tuple[str, str]],
        turns: FairQueue,
        journal: Journal,
        fetcher: PhotoFetcher,
        job: Job,
        bar: ProgressBar,
    ):
        self._photos, self._turns = photos, turns
        self._journal, self._fetcher, self._job, self._bar = journal, fetcher, job, bar
        self._lock = threading.Lock()

    def run(self) -> None:
        """One thread's share. An error that is no photo's fault ends all threads' work."""
        try:
            for place in self._turns.each():
                self._attempt(self._photos[place])
        except BaseException:
            self._turns.end()
            raise

    def _attempt(self, photo: tuple[str, str]) -> None:
        about = {"id": photo[0], "url": photo[1]}
        fetched = self._fetcher.fetch(photo[1])
        if fetched.content is None:
            self._note(about | {"status": fetched.status, "error_message": fetched.error_message})
            return

        def done(entry: Entry | None) -> None:
            if entry is None:
                crash = "the decoder's process died, or took too long, over it twice"
                self._note(about | {"status": "decoder_crashed", "error_message": crash})
            else:
                with self._lock:
                    self._journal.add(photo, entry)
                    self._bar.advance()

        self._job.submit(json.dumps(about).encode(), fetched.content, done)

    def _note(self, about: dict[str, Any]) -> None:
        with self._lock:
            self._journal.write(about)
            self._bar.advance()


# ---- the journal into files


def _write_files(
    photos: pa.Table, journal: Journal, folder: Path, shard: str, taken_down: Collection[str]
) -> dict[str, Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    statuses: Counter[str] = Counter()
    stored_bytes = 0
    table = folder / f"{shard}.parquet"
    with (
        ShardWriter(folder / f"{shard}.tar") as tar,
        pq.ParquetWriter(table, SHARD_ATTEMPTS, compression="zstd") as writer,
    ):
        for start in range(0, max(len(photos), 1), ROWS_AT_A_TIME):
            rows = []
            for row in photos.slice(start, ROWS_AT_A_TIME).to_pylist():
                about, photo = journal.read(_identity(row))
                if about.get("sha256") in taken_down:  # from an older shard, or from before the take-down
                    about = {"status": "taken_down", "error_message": TAKEN_DOWN}
                ending = about.pop("ending", None)
                row = _row(row, about)
                if ending is not None:
                    tar.add(row["key"], _members(row, photo, ending))
                    stored_bytes += len(photo)
                statuses[row["status"]] += 1
                rows.append(row)
            writer.write_table(pa.Table.from_pylist(rows, schema=SHARD_ATTEMPTS))
    stats = _stats(shard, statuses, stored_bytes)
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
        if name not in UNTOLD and not (value is None and name in TOLD_IF_KNOWN)
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
