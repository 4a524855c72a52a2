"""One process that decodes photos, and the thread that hears its answers.

A process gets photos through a pipe, a few ahead, and answers in their order. When it dies, the photo that it was at is
tried once more, alone; if that kills a process too, or if the clock ended the first, its status is `decoder_crashed`. The others
that waited are sent again.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import select
import subprocess
import sys
import threading
from collections import deque

from clip_pipeline.errors import DecoderError
from clip_pipeline.images.download.decode_job import Job, Photo, Pool
from clip_pipeline.images.download.decode_worker import (
    ANSWER,
    END_OF_JOB,
    FAILED,
    JOB,
    LEAVE,
    MESSAGE,
    PHOTO,
    READY,
    TOO_LONG,
)
from clip_pipeline.images.download.journal import Entry
from clip_pipeline.machine.child_process import child_environment

logger = logging.getLogger(__name__)

PIPE_BYTES = 1 << 20

_QUIET = {
    "OPENBLAS_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": "4194304",
    "MALLOC_TRIM_THRESHOLD_": "16777216",
}
"""Of a worker: arithmetic without threads of its own; large blocks go back to the system at once."""


class DecodeProcess:
    """One place for a process, and the thread that hears its answers.

    load: photos that were given to it and are not done yet, guarded by the condition of the pool. A photo is entered in
    `_sent` before it is written, under the lock, so each answer belongs to the left end.
    """

    def __init__(self, pool: Pool):
        self.pool, self.load, self.running = pool, 0, False
        self._lock = threading.RLock()
        self._sent: deque[Photo] = deque()
        self._held: deque[Photo] = deque()
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
                self._write(MESSAGE.pack(LEAVE, 0, 0, 0, 0))
                os.close(self._pipe)

    def take(self, photo: Photo) -> None:
        """Sends a photo, or keeps it while another has the process for itself."""
        with self._lock:
            if self._alone:
                self._held.append(photo)
                return
            if not self.running:
                self.pool.start([self])
            self._send(photo)

    def end(self, job: Job) -> None:
        """Tells the process that no more photos of a job will come."""
        with self._lock:
            if job.number in self._known and self.running:
                self._known.discard(job.number)
                self._write(MESSAGE.pack(END_OF_JOB, job.number, 0, 0, 0))

    def _send(self, photo: Photo) -> None:
        self._sent.append(photo)
        job = photo.job
        if job.number not in self._known:
            self._known.add(job.number)
            self._write(MESSAGE.pack(JOB, job.number, len(job.description), 0, 0) + job.description)
        sizes = len(photo.about), len(photo.content), photo.memory
        self._write(MESSAGE.pack(PHOTO, job.number, *sizes) + photo.about)
        self._write(photo.content)

    def _write(self, message: bytes) -> None:
        rest = memoryview(message)
        with contextlib.suppress(BrokenPipeError):  # it died: `_hear` notices, and sends again
            while rest:
                rest = rest[os.write(self._pipe, rest) :]

    def _hear(self, answers: int) -> None:
        """Reads answers until the process ends; brings a new one when it ended over a photo."""
        ready, too_long, rest = False, False, b""
        poll = select.poll()
        poll.register(answers, select.POLLIN)
        while True:
            if not poll.poll(self.pool.idle_seconds * 1000):
                self.pool.stop_if_idle()
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
                if answer[0] == TOO_LONG:
                    too_long = True
                elif answer[0] != READY:
                    self._answered(answer)
            rest = rest[whole:]
        os.close(answers)
        self._ended(ready, too_long)

    def _answered(self, answer: tuple[int, ...]) -> None:
        photo = self._sent.popleft()
        self.pool.done(self, photo, Entry(*answer[1:]))
        if self._alone:
            with self._lock:
                self._send_held()

    def _send_held(self) -> None:
        self._alone = False
        while self._held:
            self._send(self._held.popleft())

    def _ended(self, ready: bool, too_long: bool) -> None:
        """The process is gone, as it was asked to or over the photo that is the first without an answer. too_long: its clock ended it,
        and would do so again."""
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
            self.pool.start([self])
            if suspect.tried or too_long:
                crashed = suspect
                self._send_held()
            else:
                suspect.tried = self._alone = True
                self._send(suspect)
        if crashed:
            logger.warning("A photo ended its decoder: %s", crashed.about.decode())
            self.pool.done(self, crashed, None)

    def _give_up(self, error: Exception) -> None:
        with self._lock:
            if self.running:
                self.running = False
                os.close(self._pipe)
            self._sent.clear()
            self._held.clear()
            self._alone = False
        self.pool.fail(error)


def start_processes(count: int, check: str, seconds: int) -> tuple[subprocess.Popen, list[tuple[int, int]]]:
    """One process, which forks into `count`: what it imported, they share. Returns it, and for each where photos are written to and
    answers are read from."""
    ours, theirs = [], []
    for _ in range(count):
        photos_out, photos_in = os.pipe()
        answers_out, answers_in = os.pipe()
        with contextlib.suppress(AttributeError, OSError):  # Linux: room for photos on their way
            fcntl.fcntl(photos_in, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        ours.append((photos_in, answers_out))
        theirs.append((photos_out, answers_in))
    options = json.dumps({"check": check, "seconds": seconds, "pipes": theirs})
    family = subprocess.Popen(
        [sys.executable, "-m", "clip_pipeline.images.download.decode_worker", options],
        stdin=subprocess.DEVNULL,
        pass_fds=[end for pair in theirs for end in pair],
        env=child_environment(_QUIET),
    )
    for pair in theirs:
        os.close(pair[0])
        os.close(pair[1])
    return family, ours
