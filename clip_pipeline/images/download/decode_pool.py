"""Processes that decode, shared by all shards that are downloaded: a photo that kills its decoder costs nobody else anything."""

from __future__ import annotations

import atexit
import dataclasses
import itertools
import json
import logging
import subprocess
import threading
from collections.abc import Collection, Sequence
from pathlib import Path

from clip_pipeline.images.download.check_photo import limits_of
from clip_pipeline.images.download.decode_job import Job, Photo
from clip_pipeline.images.download.decode_process import DecodeProcess, start_processes
from clip_pipeline.images.download.decode_worker import FAILED
from clip_pipeline.images.download.journal import Entry
from clip_pipeline.machine.cores import usable_cores
from clip_pipeline.machine.memory import free_memory
from clip_pipeline.pixels.decode_cost import MB, PROCESSES_MB
from clip_pipeline.settings import DownloadSettings

logger = logging.getLogger(__name__)

MIN_PHOTOS_MB = 100
"""Left to photos however little memory is free: a small machine may swap, and photos of ordinary size take less."""

CHECK = "clip_pipeline.images.download.check_photo:check_photo"
SECONDS_A_PHOTO = 60
PHOTOS_AHEAD = 4
"""Photos that a worker has, the one it is at included: enough that it never waits for the next."""

IDLE_SECONDS = 20.0
"""Workers that have had nothing to do for so long are sent home: training needs their memory."""


def within_the_machine(settings: DownloadSettings) -> DownloadSettings:
    """The settings with as much memory for photos as the machine has free, where that is less; a warning then says so."""
    free = free_memory()
    if free is None or free >= settings.max_decode_memory * MB:
        return settings
    most = max(free // MB, PROCESSES_MB + MIN_PHOTOS_MB)
    logger.warning(
        "Memory: %s MB are free, fewer than download.max_decode_memory=%s. Photos that take more than that are refused (too_costly).",
        f"{free // MB:,}",
        settings.max_decode_memory,
    )
    return dataclasses.replace(settings, max_decode_memory=most)


class DecodePool:
    """A number of worker processes, started when the first photo comes. Safe to use from many threads.

    held: memory of the photos that were handed over, by their headers, in bytes; waiting: bytes of those that are not yet.
    workers: processes; 0 is one a core. check: "module:function" with the arguments and result of `check_photo.check_photo`.
    """

    def __init__(
        self, workers: int = 0, check: str = CHECK, seconds: int = SECONDS_A_PHOTO, idle_seconds: float = IDLE_SECONDS
    ):
        self.check, self.seconds, self.idle_seconds = check, seconds, idle_seconds
        lock = threading.RLock()
        self.free, self.finished = threading.Condition(lock), threading.Condition(lock)
        self.held = self.waiting = 0
        self._large: Photo | None = None
        self._jobs: set[Job] = set()
        self.families: list[subprocess.Popen] = []
        self._numbers = itertools.count()
        self._workers = [DecodeProcess(self) for _ in range(workers or usable_cores())]

    def job(self, journal: Path, settings: DownloadSettings, taken_down: Collection[str] = ()) -> Job:
        """A new job. taken_down: sha256 of downloads that must not be stored."""
        settings = within_the_machine(settings)
        description = {
            "journal": str(journal),
            "settings": dataclasses.asdict(settings),
            "taken_down": sorted(taken_down),
        }
        job = Job(self, next(self._numbers) % FAILED, json.dumps(description).encode(), journal, settings)
        with self.free:
            self._jobs.add(job)
        return job

    def close(self) -> None:
        """Ends the workers; a later photo starts them again."""
        for worker in self._workers:
            worker.stop()

    def end(self) -> None:
        """Ends the workers and returns when they have."""
        self.close()
        for family in self.families:
            family.wait()

    def __enter__(self) -> DecodePool:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def submit(self, photo: Photo) -> None:
        """Hands a photo to the process with the least to do; waits while all have enough, or while those that were handed over take the
        memory that it needs. Then others wait behind it, so that its turn comes. Raises what ended its job."""
        with self.free:
            self.waiting += len(photo.content)
            try:
                while True:
                    if photo.job.failure is not None:
                        raise photo.job.failure
                    worker = min(self._workers, key=lambda worker: worker.load)
                    if worker.load < PHOTOS_AHEAD and self._large in (None, photo):
                        others = self.held + self.waiting - len(photo.content)
                        if self.held == 0 or others + photo.memory <= limits_of(photo.job.settings).memory:
                            break
                        self._large = photo
                    self.free.wait()
            finally:
                self.waiting -= len(photo.content)
                if self._large is photo:
                    self._large = None
                    self.free.notify_all()
            self.held += photo.memory
            worker.load += 1
            photo.job.open += 1
            if not any(worker.running for worker in self._workers):
                self.start(self._workers)
        worker.take(photo)

    def end_job(self, job: Job) -> None:
        """No more photos of the job will come."""
        with self.free:
            self._jobs.discard(job)
        for worker in self._workers:
            worker.end(job)

    def start(self, places: Sequence[DecodeProcess]) -> None:
        """Brings a process for each of these places."""
        family, ends = start_processes(len(places), self.check, self.seconds)
        self.families = [other for other in self.families if other.poll() is None] + [family]
        for place, (photos, answers) in zip(places, ends, strict=True):
            place.started(photos, answers)

    def done(self, worker: DecodeProcess, photo: Photo, entry: Entry | None) -> None:
        """A photo is finished, or with None ended its decoder twice or took too long."""
        try:
            photo.done(entry)
        except OSError as error:  # the disk of the journal; who waits for the photos gets to know it
            self.fail(error)
            return
        with self.free:
            worker.load = max(worker.load - 1, 0)
            photo.job.open -= 1
            self.held = max(self.held - photo.memory, 0)
            if self._large is None:
                self.free.notify()
            else:  # it may be any of those that wait
                self.free.notify_all()
            if photo.job.open == 0:
                self.finished.notify_all()

    def fail(self, error: Exception) -> None:
        """Ends all jobs that are open, for their photos may be lost; a later one starts anew."""
        with self.free:
            for job in self._jobs:
                job.failure = error
            for worker in self._workers:
                worker.load = 0
            self.held = 0
            self.free.notify_all()
            self.finished.notify_all()

    def stop_if_idle(self) -> None:
        """Ends the processes where none has anything to do."""
        with self.free:
            if not any(worker.load for worker in self._workers):
                self.close()


_SHARED: dict[int, DecodePool] = {}
_SHARED_LOCK = threading.Lock()


def shared_decode_pool(workers: int) -> DecodePool:
    """The workers that all downloads of this process share, so that a second shard does not wait for their start."""
    with _SHARED_LOCK:
        if workers not in _SHARED:
            _SHARED[workers] = DecodePool(workers)
            atexit.register(_SHARED[workers].end)
        return _SHARED[workers]
