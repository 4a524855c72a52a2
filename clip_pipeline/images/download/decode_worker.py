"""A process that decodes photos: started by `decode_process`, killed by a bad photo without harm to anyone else.

    python -m clip_pipeline.images.download.decode_worker '{"check": ..., "seconds": ..., "pipes": [[in, out], ...]}'

It imports what decoding needs and then forks once for each pair of pipes, so that the workers share that memory. A worker reads
jobs and photos from its pipe and answers each photo with the place of its record in the job's journal. It ends when its
pipe does. The alarm clock ends it when a photo takes too long, even inside a decoder that never returns.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import io
import json
import os
import signal
import struct
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from clip_pipeline.images.download.check_photo import RejectedPhoto
from clip_pipeline.images.download.journal import Segment
from clip_pipeline.images.download.signature import image_signature
from clip_pipeline.machine.interrupts import ignore_interrupts
from clip_pipeline.settings import DownloadSettings

MESSAGE = struct.Struct("<BIIIQ")
"""Kind of the message, number of its job, length of its JSON, length of its photo, memory that decoding it may take, in bytes."""

JOB, PHOTO, END_OF_JOB, LEAVE = range(4)
ANSWER = struct.Struct("<IIQII")
"""Number of the job, number of the journal's segment, and of the record its offset, length of the JSON and of the photo."""

READY, FAILED, TOO_LONG = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD
"""Instead of a job's number: the worker has started; the journal could not be written, and the next number is the errno; the clock
ended the worker."""

CLOCKS = (signal.SIGALRM, signal.SIGPROF)

TAKEN_DOWN = "these bytes were taken down"
SLACK_BYTES, STEP_BYTES = 256 << 20, 64 << 20
"""What a worker may allocate beside what was planned for its photo, for modules that a rare kind loads and memory that is kept; and
the steps in which the limit is set, so that most photos need no change of it."""

Check = Callable[[bytes, DownloadSettings], Any]


class Job:
    """What the photos of one shard have in common."""

    def __init__(self, description: dict[str, Any]):
        self.settings = DownloadSettings(**description["settings"])
        self.taken_down = frozenset(description["taken_down"])
        self.segment = Segment(Path(description["journal"]))


def attempt(about: dict[str, Any], content: bytes, job: Job, check: Check) -> tuple[bytes, bytes]:
    """(the attempt as JSON, the bytes to store) of one photo. about: its id and url."""
    digest = hashlib.sha256(content).hexdigest()
    if digest in job.taken_down:
        failure = {"status": "taken_down", "error_message": TAKEN_DOWN}
        return json.dumps(about | failure).encode(), b""
    checked = check(content, job.settings)
    if isinstance(checked, RejectedPhoto):
        failure = {"status": checked.status, "error_message": checked.message}
        return json.dumps(about | failure).encode(), b""
    signature = image_signature(checked.image)
    signature["thumbnail"] = signature["thumbnail"].hex()
    found = {
        "status": "success",
        "ending": checked.ending,
        "width": checked.width,
        "height": checked.height,
        "original_width": checked.original_width,
        "original_height": checked.original_height,
        "exif": checked.exif,
        "sha256": digest,
        **signature,
    }
    return json.dumps(about | found).encode(), checked.stored


def serve(source: BinaryIO, answers: int, check: Check, seconds: int) -> None:
    """Answers until the pipe ends, the journal's disk fails, or whoever sent the photos is gone."""
    with contextlib.suppress(BrokenPipeError):
        os.write(answers, ANSWER.pack(READY, 0, 0, 0, 0))
        try:
            _serve(source, answers, check, seconds)
        except OSError as error:
            os.write(answers, ANSWER.pack(FAILED, error.errno or 0, 0, 0, 0))


def _serve(source: BinaryIO, answers: int, check: Check, seconds: int) -> None:
    jobs: dict[int, Job] = {}
    limit = MemoryLimit()
    while len(header := source.read(MESSAGE.size)) == MESSAGE.size:
        kind, number, text_bytes, photo_bytes, memory = MESSAGE.unpack(header)
        text = source.read(text_bytes)
        if kind == JOB:
            jobs[number] = Job(json.loads(text))
        elif kind == END_OF_JOB:
            if number in jobs:
                jobs.pop(number).segment.close()
        elif kind == LEAVE:
            return
        else:
            content = source.read(photo_bytes)
            if len(content) < photo_bytes:
                return
            limit.allow(memory)
            signal.alarm(seconds)
            signal.setitimer(signal.ITIMER_PROF, jobs[number].settings.max_decode_seconds)
            about, photo = attempt(json.loads(text), content, jobs[number], check)
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.alarm(0)
            entry = jobs[number].segment.append(about, photo)
            place = (entry.segment, entry.offset, entry.about_bytes, entry.photo_bytes)
            os.write(answers, ANSWER.pack(number, *place))


class MemoryLimit:
    """What this process may allocate. Above it, allocating fails and the photo is a broken one; the machine stays as it is."""

    def __init__(self) -> None:
        self._mapped = self._allowed = 0
        with contextlib.suppress(OSError, IndexError):  # systems without /proc
            self._mapped = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")

    def allow(self, photo: int) -> None:
        """Allows as much as one photo takes, in bytes, beside what the process had when it began."""
        import resource

        allowed = self._mapped + SLACK_BYTES + -(-photo // STEP_BYTES) * STEP_BYTES
        if self._mapped and allowed != self._allowed:
            self._allowed = allowed
            with contextlib.suppress(OSError, ValueError):  # systems that know no such limit
                _, hard = resource.getrlimit(resource.RLIMIT_AS)
                most = allowed if hard == resource.RLIM_INFINITY else min(allowed, hard)
                resource.setrlimit(resource.RLIMIT_AS, (most, hard))


def _be_quiet() -> None:
    """Libraries write what they think of a damaged photo to the standard error; only our own tracebacks still go there."""
    sys.stderr = os.fdopen(os.dup(2), "w")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    warnings.simplefilter("ignore")


def _warm_up(check: Check) -> None:
    """Loads and compiles all that an ordinary photo needs, once for all workers."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.new("RGB", (96, 72)).save(buffer, "JPEG")
    checked = check(buffer.getvalue(), DownloadSettings(image_size=64, min_side=16))
    image_signature(checked.image)


def main() -> None:
    options = json.loads(sys.argv[1])
    ignore_interrupts()  # they are for the one who sends photos; its end ends the pipe
    module, _, name = options["check"].partition(":")
    check = getattr(importlib.import_module(module), name)
    _warm_up(check)
    pipes = [tuple(pair) for pair in options["pipes"]]
    workers = {}
    for source, answers in pipes:
        worker = os.fork()
        if worker == 0:
            for other in pipes:
                if other != (source, answers):
                    os.close(other[0])
                    os.close(other[1])
            _be_quiet()
            with open(source, "rb", buffering=1 << 16) as photos:  # noqa: PTH123
                serve(photos, answers, check, options["seconds"])
            os._exit(0)
        workers[worker] = answers
    for source, _ in pipes:
        os.close(source)
    while workers:
        worker, status = os.wait()
        _end_answers(workers.pop(worker), status)


def _end_answers(answers: int, status: int) -> None:
    """The last word of a worker that has ended: whether it was the clock that ended it."""
    with contextlib.suppress(OSError):
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) in CLOCKS:
            os.write(answers, ANSWER.pack(TOO_LONG, 0, 0, 0, 0))
    os.close(answers)


if __name__ == "__main__":
    main()
