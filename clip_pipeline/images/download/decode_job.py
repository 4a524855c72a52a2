"""The photos of one shard on their way through the processes that decode."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from clip_pipeline.images.download.check_photo import planned_memory
from clip_pipeline.images.download.journal import Entry
from clip_pipeline.settings import DownloadSettings

Done = Callable[[Entry | None], None]
"""Called, from any thread, with the place of the finished attempt, or with None for one that crashed its decoder twice or took too long."""


class Pool(Protocol):
    """What jobs and processes ask of the pool that they belong to (`decode_pool.DecodePool`)."""

    finished: threading.Condition
    idle_seconds: float

    def submit(self, photo: Photo) -> None:
        """Hands a photo to the process with the least to do; waits while all have enough."""

    def end_job(self, job: Job) -> None:
        """No more photos of the job will come."""

    def start(self, places: Sequence[Any]) -> None:
        """Brings a process for each of these places."""

    def done(self, place: Any, photo: Photo, entry: Entry | None) -> None:
        """A photo is finished, or with None ended its decoder twice or took too long."""

    def fail(self, error: Exception) -> None:
        """Ends all jobs that are open, for their photos may be lost; a later one starts anew."""

    def stop_if_idle(self) -> None:
        """Ends the processes where none has anything to do."""


class Photo:
    """One photo, and who wants to know how it ended. about: JSON with its id and url. memory: bytes that decoding it takes."""

    __slots__ = ("about", "content", "done", "job", "memory", "tried")

    def __init__(self, job: Job, about: bytes, content: bytes, done: Done):
        self.job, self.about, self.content, self.done, self.tried = job, about, content, done, False
        self.memory = planned_memory(content, job.settings)


class Job:
    """The photos of one shard: their settings (which may be tighter than the user's, where the machine is small), and the folder of their journal. Use as a context manager."""

    def __init__(self, pool: Pool, number: int, description: bytes, journal: Path, settings: DownloadSettings):
        self.number, self.description, self.journal, self.settings = number, description, journal, settings
        self.open = 0
        self.failure: Exception | None = None
        self._pool = pool

    def submit(self, about: bytes, content: bytes, done: Done) -> None:
        """Hands a photo over; waits while all workers have enough. about: JSON with its id and url.

        Raises OSError when the journal's disk fails, DecoderError when no decoder can be started.
        """
        self._pool.submit(Photo(self, about, content, done))

    def wait(self) -> None:
        """Returns when all photos are done. Raises what `submit` does."""
        finished = self._pool.finished
        with finished:
            finished.wait_for(lambda: self.open == 0 or self.failure is not None)
            if self.failure is not None:
                raise self.failure

    def __enter__(self) -> Job:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.end_job(self)
