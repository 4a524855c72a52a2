"""The sweep over processes × threads: a table, resumable trial by trial."""

from __future__ import annotations

import csv
import json
import logging
import statistics
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from clip_pipeline.embedding.parallelism.trial import Work, measure_trial
from clip_pipeline.embedding.parallelism.worker import KINDS, PHOTOS_FOLDER, PIXELS_FILE
from clip_pipeline.errors import PhotosError, SettingsError
from clip_pipeline.machine.cores import usable_cores
from clip_pipeline.machine.progress import progress
from clip_pipeline.records import PARALLELISM
from clip_pipeline.storage.disk import write_synced

logger = logging.getLogger(__name__)

MAX_IMAGES = 256
"""Different photos that lie ready; more than that in a trial are these again. 154 MB as pixels at 224."""

MEASURED = "measured"
SHARE_OF_FREE_MEMORY = 0.9

Trial = tuple[int, int]
"""Processes, and threads of each."""


def grid_of(processes: str, threads: str, cores: int) -> list[Trial]:
    """The trials, 1 × 1 first, which the others are compared with.

    processes, threads: numbers separated by commas; an empty one is the powers of two up to the cores, and then trials
    of more than two threads a core are left out. Raises SettingsError for anything else.
    """
    powers = sorted({*(2**power for power in range(cores.bit_length())), cores})
    some = _numbers("parallelism.processes", processes) or powers
    each = _numbers("parallelism.threads", threads) or powers
    trials = {(one, two) for one in some for two in each}
    if not processes.strip() or not threads.strip():
        trials = {trial for trial in trials if trial[0] * trial[1] <= 2 * cores}
    return sorted({(1, 1), *trials})


def _numbers(name: str, text: str) -> list[int]:
    words = [word.strip() for word in text.split(",") if word.strip()]
    if not all(word.isdecimal() and int(word) for word in words):
        raise SettingsError(f'{name} is "{text}". Expected numbers from 1 separated by commas, such as 1,2,4.')
    return [int(word) for word in words]


def lay_ready(model: str | Path, images: Iterable[tuple[str, bytes]], folder: Path) -> int:
    """Writes photos and their pixels where the processes find them; returns how many there are.

    Photos that cannot be decoded are left out. Raises PhotosError when that is all of them.
    """
    from itertools import islice

    from clip_pipeline.embedding.ready_pixels import ready_pixels
    from clip_pipeline.models.folder import open_model

    clip, preprocess, _ = open_model(model, "cpu")
    content_of = dict(islice(images, MAX_IMAGES))
    if not content_of:
        raise PhotosError("There are no photos to measure with. Give a dataset that holds some.")
    ready = ready_pixels(clip, preprocess, content_of.items(), len(content_of), folder / PIXELS_FILE)
    (folder / PHOTOS_FOLDER).mkdir(exist_ok=True)
    for row, photo_id in enumerate(ready.ids):
        (folder / PHOTOS_FOLDER / str(row)).write_bytes(content_of[photo_id])
    return len(ready)


def run_sweep(
    trials: Sequence[Trial],
    work: Work,
    folder: Path,
    free_bytes: Callable[[], int | None],
    measure: Callable[[Work, int, int], dict[str, Any]] = measure_trial,
) -> list[dict[str, Any]]:
    """One row a kind and trial, of `records.PARALLELISM`.

    folder: where each finished trial is kept, so that a sweep that was killed goes on with the next. free_bytes: memory that
    is free now; a trial that would need more, judged by what one process took, becomes a row with a status that says so.
    """
    found: dict[Trial, dict[str, Any]] = {}
    with progress("Sweeping processes × threads", len(trials), "trial") as bar:
        for trial in trials:
            processes, threads = trial
            piece = folder / f"trial_{processes}x{threads}.json"
            if not piece.exists():
                needed = _needed_bytes(found.get((1, 1)), processes)
                free = free_bytes()
                if needed and free is not None and needed > SHARE_OF_FREE_MEMORY * free:
                    status = f"left out: needs about {needed / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free"
                    logger.warning("%s × %s threads is %s", processes, threads, status)
                    found[trial] = {"status": status}
                    bar.advance()
                    continue
                temporary = piece.with_suffix(".unfinished")
                write_synced(temporary, json.dumps(measure(work, processes, threads) | {"status": MEASURED}))
                temporary.replace(piece)
            found[trial] = json.loads(piece.read_text())
            bar.advance(note=f"{processes} × {threads}")
    return [_row(kind, trial, found[trial], found[1, 1], work) for kind in KINDS for trial in trials]


def _needed_bytes(alone: dict[str, Any] | None, processes: int) -> float | None:
    if alone is None or alone.get("memory_mb") is None or processes == 1:
        return None
    return alone["memory_mb"] * 1024 * 1024 * processes


def _row(kind: str, trial: Trial, found: dict[str, Any], alone: dict[str, Any], work: Work) -> dict[str, Any]:
    processes, threads = trial
    row: dict[str, Any] = dict.fromkeys(PARALLELISM.names)
    row |= {"kind": kind, "processes": processes, "threads": threads, "photos": work.photos, "repeats": work.repeats}
    row |= {"runtime": work.runtime, "status": found["status"], "memory_mb": found.get("memory_mb")}
    if found["status"] != MEASURED:
        return row
    rates = sorted(work.photos / seconds for seconds in found["seconds"][kind])
    rate = statistics.median(rates)
    single = statistics.median(work.photos / seconds for seconds in alone["seconds"][kind])
    busy = min(processes * threads, usable_cores())
    return row | {
        "photos_per_second": rate,
        "slowest": rates[0],
        "fastest": rates[-1],
        "photos_per_second_per_core": rate / busy,
        "speedup": rate / single,
        "scaling_efficiency": rate / (single * busy),
    }


def write_table(rows: Sequence[dict[str, Any]], folder: Path) -> tuple[str, ...]:
    """parallelism.parquet, .csv and .json; returns their names."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.Table.from_pylist(list(rows), PARALLELISM), folder / "parallelism.parquet", compression="zstd")
    (folder / "parallelism.json").write_text(json.dumps(list(rows), indent=1) + "\n", encoding="utf-8")
    with (folder / "parallelism.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, PARALLELISM.names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return ("parallelism.parquet", "parallelism.csv", "parallelism.json")
