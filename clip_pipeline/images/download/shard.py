"""Photos of one shard: fetched at the same time, decoded by processes of their own, written in the order of their keys."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Collection
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clip_pipeline.images.download.decode_pool import DecodePool, Job, shared_decode_pool
from clip_pipeline.images.download.journal import Entry, Journal
from clip_pipeline.images.download.limits import judged
from clip_pipeline.images.download.outage import OutageWatch, wants_another_try
from clip_pipeline.images.download.reuse import PreviousShard
from clip_pipeline.images.download.shard_files import identity, rows_of, write_files
from clip_pipeline.machine.progress import ProgressBar, progress
from clip_pipeline.settings import DownloadSettings
from clip_pipeline.sources.web.fair_queue import FairQueue
from clip_pipeline.storage.scratch import scratch_folder

if TYPE_CHECKING:
    import pyarrow as pa

    from clip_pipeline.sources.fetch import PhotoFetcher

logger = logging.getLogger(__name__)


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
    download that finds it again fetches none of them twice. previous: an older shard to take photos from, whose photos no failure
    replaces. taken_down: sha256 of downloads that must not be stored. threads: where the fetching is done, by default by as many
    threads as the settings allow connections.

    Returns what the stats say. A photo that cannot be had is a row with its reason. The bytes of the three files depend
    on what was fetched, not on how many connections or processes there were or which answer came first. Only the table of
    the photos is held in memory, not the photos. Where failures may pass, the stats have an entry `incomplete`; with it the
    photos are asked for again. Raises OutageError, and writes nothing, where there are more of them than `max_outage_percent`,
    those left aside that the older shard lacks as well.
    """
    shard = photos["shard"][0].as_py()
    with scratch_folder("journal") if work is None else nullcontext(work) as journal_folder:
        journal = Journal(journal_folder, lambda about: _still_holds(about, settings))
        try:
            if bar is not None:
                _attempt_all(photos, journal, settings, fetcher, decoders, previous, taken_down, threads, bar)
            else:
                with progress(f"Downloading shard {shard}", total=len(photos), unit="photo") as own:
                    _attempt_all(photos, journal, settings, fetcher, decoders, previous, taken_down, threads, own)
            stats = write_files(photos, journal, folder, shard, frozenset(taken_down))
        finally:
            journal.close()
    logger.info("Shard %s: %s", shard, stats["status"])
    return stats


def _still_holds(about: dict[str, Any], settings: DownloadSettings) -> bool:
    """Whether an attempt of a run that was stopped need not be made again: it failed for good, or is what today's limits allow."""
    return not wants_another_try(about) and judged(about, 0, settings) == about


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
    with previous or nullcontext():
        if previous is not None:
            for row in rows_of(photos):
                if identity(row) not in journal and (known := previous.attempt(row)) is not None:
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
                outage = OutageWatch(photos["shard"][0].as_py(), len(photos), settings.max_outage_percent)
                fetching = _Fetching(missing, turns, journal, fetcher, job, previous, outage, bar)
                running = [crew.submit(fetching.run) for _ in range(min(settings.connections, len(missing)))]
                for one in running:
                    one.result()
                job.wait()
                outage.check()
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
        previous: PreviousShard | None,
        outage: OutageWatch,
        bar: ProgressBar,
    ):
        self._photos, self._turns = photos, turns
        self._journal, self._fetcher, self._job, self._bar = journal, fetcher, job, bar
        self._previous, self._outage = previous, outage
        self._lock = threading.Lock()

    def run(self) -> None:
        """One thread's share. An error that is no photo's fault ends all threads' work, and so does an outage."""
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
            self._fail(about | {"status": fetched.status, "error_message": fetched.error_message})
            return

        def done(entry: Entry | None) -> None:
            if entry is None:
                crash = "it ended its decoder twice, or took longer than download.max_decode_seconds"
                self._fail(about | {"status": "decoder_crashed", "error_message": crash})
            else:
                with self._lock:
                    self._journal.add(photo, entry)
                    if self._previous is not None and self._previous.holds(photo[1]):
                        self._keep_if_rejected(photo)
                    self._bar.advance()

        self._job.submit(json.dumps(about).encode(), fetched.content, done)

    def _keep_if_rejected(self, photo: tuple[str, str]) -> None:
        """Where a decoder refused what came, the photo of an older shard stays."""
        about, _ = self._journal.read(photo)
        if about["status"] == "success" or self._previous is None:
            return
        if (known := self._previous.stand_in(about, about)) is not None:
            self._journal.write(*known)

    def _fail(self, failure: dict[str, Any]) -> None:
        """Writes down a failure, or the photo of an older shard that it must not replace."""
        if self._previous is None or not self._previous.lacks(failure["url"]):
            self._outage.add(failure)
            if self._outage.too_many:
                self._turns.end()
        known = self._previous.stand_in(failure, failure) if self._previous is not None else None
        with self._lock:
            self._journal.write(*(known or (failure, b"")))
            self._bar.advance()
