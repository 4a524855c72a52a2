"""Processes that decode, and the threads that watch them: a photo that kills its decoder costs nobody else anything.

A worker gets photos through a pipe, a few ahead, and answers in their order. When it dies, the photo that it was at is
tried once more, alone; if that kills a worker too, its status is `decoder_crashed`. The others that waited are sent again.
"""

from __future__ import annotations

import atexit
import contextlib
import dataclasses
import fcntl
import itertools
import json
import logging
import os
import select
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import clip_pipeline
from clip_pipeline.errors import DecoderError
from clip_pipeline.images.download.decode_worker import ANSWER, END_OF_JOB, FAILED, JOB, LEAVE, MESSAGE, PHOTO, READY
from clip_pipeline.images.download.journal import Entry
from clip_pipeline.machine.cores import usable_cores
from clip_pipeline.settings import DownloadSettings

logger = logging.getLogger(__name__)

CHECK = "clip_pipeline.images.download.check_photo:check_photo"
SECONDS_A_PHOTO = 60
PHOTOS_AHEAD = 4
"""Photos that a worker has, the one it is at included: enough that it never waits for the next."""

PIPE_BYTES = 1 << 20
IDLE_SECONDS = 20.0
"""Workers that have had nothing to do for so long are sent home: training needs their memory."""

_QUIET = {
    "OPENBLAS_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": "4194304",
    "MALLOC_TRIM_THRESHOLD_": "16777216",
}
"""Of a worker: arithmetic without threads of its own; large blocks go back to the system at once."""

Done = Callable[[Entry | None], None]
"""Called, from any thread, with the place of the finished attempt, or with None for a decoder that crashed twice."""


class _Photo:
    __slots__ = ("about", "content", "done", "job", "tried")

    def __init__(self, job: Job, about: bytes, content: bytes, done: Done):
        self.job, self.about, self.content, self.done, self.tried = job, about, content, done, False


class Job:
    """The photos of one shard: their settings, and the folder of their journal. Use as a context manager."""

    def __init__(self, decoders: Decoders, number: int, told: bytes, journal: Path):
        self.number, self.told, self.journal = number, told, journal
        self.open = 0
        self.failure: Exception | None = None
        self._decoders = decoders

    def submit(self, about: bytes, content: bytes, done: Done) -> None:
        """Hands a photo over; waits while all workers have enough. about: JSON with its id and url.

        Raises OSError when the journal's disk fails, DecoderError when no decoder can be started.
        """
        self._decoders._submit(_Photo(self, about, content, done))

    def wait(self) -> None:
        """Returns when all photos are done. Raises what `submit` does."""
        finished = self._decoders.finished
        with finished:
            finished.wait_for(lambda: self.open == 0 or self.failure is not None)
            if self.failure is not None:
                raise self.failure

    def __enter__(self) -> Job:
        return self

    def __exit__(self, *_: object) -> None:
        self._decoders._end(self)


class Decoders:
    """A number of worker processes, started when the first photo comes. Safe to use from many threads.

    workers: processes; 0 is one a core. check: "module:function" with the arguments and result of `decode.check_photo`.
    """

    def __init__(self, workers: int = 0, check: str = CHECK, seconds: int = SECONDS_A_PHOTO):
        self.check, self.seconds = check, seconds
        lock = threading.RLock()
        self.free, self.finished = threading.Condition(lock), threading.Condition(lock)
        self._jobs: set[Job] = set()
        self.families: list[subprocess.Popen] = []
        self._numbers = itertools.count()
        self._workers = [_Worker(self) for _ in range(workers or usable_cores())]

    def job(self, journal: Path, settings: DownloadSettings, taken_down: Collection[str] = ()) -> Job:
        """A new job. taken_down: sha256 of downloads that must not be stored."""
        told = {
            "journal": str(journal),
            "settings": dataclasses.asdict(settings),
            "taken_down": sorted(taken_down),
        }
        job = Job(self, next(self._numbers) % FAILED, json.dumps(told).encode(), journal)
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

    def __enter__(self) -> Decoders:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def _submit(self, photo: _Photo) -> None:
        with self.free:
            while True:
                if photo.job.failure is not None:
                    raise photo.job.failure
                worker = min(self._workers, key=lambda worker: worker.load)
                if worker.load < PHOTOS_AHEAD:
                    break
                self.free.wait()
            worker.load += 1
            photo.job.open += 1
            if not any(worker.running for worker in self._workers):
                _start(self._workers)
        worker.take(photo)

    def _end(self, job: Job) -> None:
        with self.free:
            self._jobs.discard(job)
        for worker in self._workers:
            worker.end(job)

    def _done(self, worker: _Worker, photo: _Photo, entry: Entry | None) -> None:
        try:
            photo.done(entry)
        except OSError as error:  # the disk of the journal; the one who waits for the photos is told
            self._fail(error)
            return
        with self.free:
            worker.load = max(worker.load - 1, 0)
            photo.job.open -= 1
            self.free.notify()
            if photo.job.open == 0:
                self.finished.notify_all()

    def _fail(self, error: Exception) -> None:
        """Ends all jobs that are open, for their photos may be lost; a later one starts anew."""
        with self.free:
            for job in self._jobs:
                job.failure = error
            for worker in self._workers:
                worker.load = 0
            self.free.notify_all()
            self.finished.notify_all()

    def _stop_if_idle(self) -> None:
        with self.free:
            if not any(worker.load for worker in self._workers):
                self.close()


class _Worker:
    """One place for a process, and the thread that hears its answers.

    load: photos that were given to it and are not done yet, guarded by the condition of the pool. A photo is entered in
    `_sent` before it is written, under the lock, so each answer belongs to the left end.
    """

    def __init__(self, pool: Decoders):
        self.pool, self.load, self.running = pool, 0, False
        self._lock = threading.RLock()
        self._sent: deque[_Photo] = deque()
        self._held: deque[_Photo] = deque()
        self._known: set[int] = set()
        self._alone = False
        self._pipe = -1

    def started(self, pipe: int, answers: int) -> None:
        """Takes over the ends of the pipes of a new process."""
        self._pipe, self.running = pipe, True
        self._known.clear()
        threading.Thread(target=self._hear, args=(answers,), name="decoder", daemon=True).start()

    def stop(self) -> None:
        """Ends the process, once it has done what it was given."""
        with self._lock:
            if self.running:
                self.running = False
                self._write(MESSAGE.pack(LEAVE, 0, 0, 0))
                os.close(self._pipe)

    def take(self, photo: _Photo) -> None:
        """Sends a photo, or keeps it while another has the process for itself."""
        with self._lock:
            if self._alone:
                self._held.append(photo)
                return
            if not self.running:
                _start([self])
            self._send(photo)

    def end(self, job: Job) -> None:
        """Tells the process that no more photos of a job will come."""
        with self._lock:
            if job.number in self._known and self.running:
                self._known.discard(job.number)
                self._write(MESSAGE.pack(END_OF_JOB, job.number, 0, 0))

    def _send(self, photo: _Photo) -> None:
        self._sent.append(photo)
        job = photo.job
        if job.number not in self._known:
            self._known.add(job.number)
            self._write(MESSAGE.pack(JOB, job.number, len(job.told), 0) + job.told)
        self._write(MESSAGE.pack(PHOTO, job.number, len(photo.about), len(photo.content)) + photo.about)
        self._write(photo.content)

    def _write(self, message: bytes) -> None:
        rest = memoryview(message)
        with contextlib.suppress(BrokenPipeError):  # it died: `_hear` notices, and sends again
            while rest:
                rest = rest[os.write(self._pipe, rest) :]

    def _hear(self, answers: int) -> None:
        """Reads answers until the process ends; brings a new one when it ended over a photo."""
        ready, rest = False, b""
        poll = select.poll()
        poll.register(answers, select.POLLIN)
        while True:
            if not poll.poll(IDLE_SECONDS * 1000):
                self.pool._stop_if_idle()
                continue
            heard = os.read(answers, 1 << 16)
            if not heard:
                break
            rest += heard
            whole = len(rest) // ANSWER.size * ANSWER.size
            for answer in ANSWER.iter_unpack(rest[:whole]):
                ready = True
                if answer[0] == FAILED:
                    os.close(answers)
                    self._give_up(OSError(answer[1], os.strerror(answer[1]), str(self._sent[0].job.journal)))
                    return
                if answer[0] != READY:
                    self._answered(answer)
            rest = rest[whole:]
        os.close(answers)
        self._ended(ready)

    def _answered(self, answer: tuple[int, ...]) -> None:
        photo = self._sent.popleft()
        self.pool._done(self, photo, Entry(*answer[1:]))
        if self._alone:
            with self._lock:
                self._send_held()

    def _send_held(self) -> None:
        self._alone = False
        while self._held:
            self._send(self._held.popleft())

    def _ended(self, ready: bool) -> None:
        """The process is gone, as it was told or over the photo that is the first without an answer."""
        crashed = None
        with self._lock:
            if self.running:
                self.running = False
                os.close(self._pipe)
            if not self._sent:
                return
            if not ready:
                self._give_up(
                    DecoderError("No process that decodes photos can be started; what it wrote above says why.")
                )
                return
            suspect, *others = self._sent
            self._sent.clear()
            self._held.extendleft(reversed(others))
            _start([self])
            if suspect.tried:
                crashed = suspect
                self._send_held()
            else:
                suspect.tried = self._alone = True
                self._send(suspect)
        if crashed:
            logger.warning("A photo ended its decoder twice: %s", crashed.about.decode())
            self.pool._done(self, crashed, None)

    def _give_up(self, error: Exception) -> None:
        with self._lock:
            if self.running:
                self.running = False
                os.close(self._pipe)
            self._sent.clear()
            self._held.clear()
            self._alone = False
        self.pool._fail(error)


def _start(workers: Sequence[_Worker]) -> None:
    """One process for all these workers, which forks into as many: what it imported, they share."""
    ours, theirs = [], []
    for _ in workers:
        photos_out, photos_in = os.pipe()
        answers_out, answers_in = os.pipe()
        with contextlib.suppress(AttributeError, OSError):  # Linux: room for photos on their way
            fcntl.fcntl(photos_in, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        ours.append((photos_in, answers_out))
        theirs.append((photos_out, answers_in))
    pool = workers[0].pool
    told = json.dumps({"check": pool.check, "seconds": pool.seconds, "pipes": theirs})
    package_home = str(Path(clip_pipeline.__file__).parents[1])
    paths = os.pathsep.join(filter(None, (package_home, os.environ.get("PYTHONPATH"))))
    family = subprocess.Popen(
        [sys.executable, "-m", "clip_pipeline.images.download.decode_worker", told],
        stdin=subprocess.DEVNULL,
        pass_fds=[end for pair in theirs for end in pair],
        env=os.environ | _QUIET | {"PYTHONPATH": paths},
    )
    pool.families = [other for other in pool.families if other.poll() is None] + [family]
    for pair in theirs:
        os.close(pair[0])
        os.close(pair[1])
    for worker, (pipe, answers) in zip(workers, ours, strict=True):
        worker.started(pipe, answers)


_SHARED: dict[int, Decoders] = {}
_SHARED_LOCK = threading.Lock()


def shared_decoders(workers: int) -> Decoders:
    """The workers that all downloads of this process share, so that a second shard does not wait for their start."""
    with _SHARED_LOCK:
        if workers not in _SHARED:
            _SHARED[workers] = Decoders(workers)
            atexit.register(_SHARED[workers].end)
        return _SHARED[workers]
