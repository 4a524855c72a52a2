"""One trial of the sweep: so many processes with so many threads each, timed together."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from clip_pipeline.embedding.parallelism.worker import KINDS
from clip_pipeline.errors import EmbeddingProcessError
from clip_pipeline.machine.child_process import child_environment

SECONDS_BETWEEN_LOOKS = 0.25


@dataclass(frozen=True)
class Work:
    """What every trial embeds. model: as of `open_model`. images: how many lie ready in images_folder (`sweep` says
    how). photos: of each repeat, all processes together; with fewer images they are gone through in turn."""

    model: str
    runtime: str
    cache: str
    images_folder: str
    images: int
    photos: int
    repeats: int


def measure_trial(work: Work, processes: int, threads: int) -> dict[str, Any]:
    """{"seconds": {kind: [of each repeat]}, "memory_mb": most PSS of all processes together, None where the system tells none}.

    Each process loads the model once and does its share of every repeat. A repeat lasts from the first process that began to
    the last that ended. Raises EmbeddingProcessError when a process ends before its work does.
    """
    workers = [_start(work, threads) for _ in range(processes)]
    watch = _MemoryWatch([worker.pid for worker in workers])
    try:
        for worker in workers:
            _answer(worker, processes, threads)
        with watch:
            seconds = {
                kind: [_one_repeat(workers, work.photos, kind, threads) for _ in range(work.repeats)] for kind in KINDS
            }
    finally:
        for worker in workers:
            assert worker.stdin is not None and worker.stdout is not None
            worker.stdin.close()  # which ends it
            worker.stdout.close()
        for worker in workers:
            worker.wait()
    return {"seconds": seconds, "memory_mb": watch.peak_mb}


def shares(photos: int, processes: int) -> list[tuple[int, int]]:
    """(start, stop) of each process: all photos once, as even as can be."""
    return [(photos * n // processes, photos * (n + 1) // processes) for n in range(processes)]


def _start(work: Work, threads: int) -> subprocess.Popen[str]:
    description = json.dumps(asdict(work) | {"threads": threads})
    return subprocess.Popen(
        [sys.executable, "-m", "clip_pipeline.embedding.parallelism.worker", description],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=child_environment({"OMP_NUM_THREADS": str(threads)}),
    )


def _one_repeat(workers: Sequence[subprocess.Popen[str]], photos: int, kind: str, threads: int) -> float:
    parts = shares(photos, len(workers))
    for worker, (start, stop) in zip(workers, parts, strict=True):
        assert worker.stdin is not None
        try:
            worker.stdin.write(json.dumps({"kind": kind, "start": start, "stop": stop}) + "\n")
            worker.stdin.flush()
        except BrokenPipeError:
            raise _ended(worker, len(workers), threads) from None
    answers = [_answer(worker, len(workers), threads) for worker in workers]
    embedded = sum(answer["photos"] for answer in answers)
    if embedded != photos:
        raise EmbeddingProcessError(f"{embedded:,} of {photos:,} photos were embedded: some cannot be decoded.")
    return max(answer["ended"] for answer in answers) - min(answer["started"] for answer in answers)


def _answer(worker: subprocess.Popen[str], processes: int, threads: int) -> dict[str, Any]:
    assert worker.stdout is not None
    line = worker.stdout.readline()
    if not line:
        raise _ended(worker, processes, threads)
    return json.loads(line)


def _ended(worker: subprocess.Popen[str], processes: int, threads: int) -> EmbeddingProcessError:
    return EmbeddingProcessError(
        f"A process of {processes} × {threads} threads ended with status {worker.wait()}. Its own words are above; "
        "-9 is a machine without memory for so many."
    )


class _MemoryWatch:
    """The most that some processes hold together; pages that several hold count once (PSS, Linux)."""

    def __init__(self, processes: Sequence[int]):
        self.peak_mb: float | None = None
        self._processes, self._done = processes, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> _MemoryWatch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._look()
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(SECONDS_BETWEEN_LOOKS):
            self._look()

    def _look(self) -> None:
        held = [pss_mb(process) for process in self._processes]
        known = [mb for mb in held if mb is not None]
        if known and len(known) == len(held):
            self.peak_mb = max(self.peak_mb or 0.0, sum(known))


def pss_mb(process: int) -> float | None:
    """MB that a process holds, its part of shared pages counted; None where the system does not tell."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("Pss:")), None)
