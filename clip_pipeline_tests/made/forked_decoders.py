"""Decoding processes that are forks of this one, which need not start Python and load its modules."""

from __future__ import annotations

import json
import os
import sys
import time
from unittest import mock

from clip_pipeline.images.download import decode_pool, decode_worker


class Forked:
    """`count` processes of the decoder; `poll` and `wait` are those of `subprocess.Popen`."""

    def __init__(self, count: int, check: str, seconds: int):
        self.ends: list[tuple[int, int]] = []
        self._status = 0
        self._children = [self._start(check, seconds) for _ in range(count)]

    def _start(self, check: str, seconds: int) -> int:
        (photos_out, photos_in), (answers_out, answers_in) = os.pipe(), os.pipe()
        child = os.fork()
        if child == 0:
            for pair in [*self.ends, (photos_in, answers_out)]:
                for end in pair:
                    os.close(end)
            sys.argv = [
                "decode_worker",
                json.dumps({"check": check, "seconds": seconds, "pipes": [(photos_out, answers_in)]}),
            ]
            decode_worker.main()
            os._exit(0)
        os.close(photos_out)
        os.close(answers_in)
        self.ends.append((photos_in, answers_out))
        return child

    def poll(self) -> int | None:
        """Its exit status once all have ended, else None."""
        for child in list(self._children):
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                self._children.remove(child)
                self._status = max(self._status, abs(os.waitstatus_to_exitcode(status)))
        return None if self._children else self._status

    def wait(self, timeout: float | None = None) -> int:
        """Returns once all have ended."""
        while self.poll() is None:
            time.sleep(0.01)
        return self._status


def start(count: int, check: str, seconds: int) -> tuple[Forked, list[tuple[int, int]]]:
    """In the place of `start_processes`."""
    forked = Forked(count, check, seconds)
    return forked, forked.ends


def forked_decoders() -> mock._patch:
    """From now on decoding processes are forks."""
    return mock.patch.object(decode_pool, "start_processes", start)
