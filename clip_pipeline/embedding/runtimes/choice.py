"""The choice of a runtime: the fastest of those that agree with fp32, measured on the user's own photos."""

from __future__ import annotations

import csv
import json
import logging
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from clip_pipeline.embedding.ready_pixels import ReadyPixels
from clip_pipeline.embedding.runtimes.agreement import (
    MAX_POINTS,
    MIN_COSINE,
    Benchmark,
    encode_all,
    lowest_cosine,
    top1,
    within_points,
)
from clip_pipeline.embedding.runtimes.registry import RUNTIMES, make_runtime
from clip_pipeline.embedding.runtimes.runtime import AUTO, REFERENCE, Place, Runtime
from clip_pipeline.errors import MissingRuntimeError, ModelError
from clip_pipeline.machine.progress import progress

logger = logging.getLogger(__name__)

TRIAL_PHOTOS = 256
"""Photos whose vectors are compared; the 1st percentile lies between the second and the fourth lowest."""

LABELLED_PHOTOS = 1000
"""Photos of the benchmark; one of them is 0.1 points."""

TIMED_PHOTOS = 64
REPEATS = 5
MIN_SECONDS = 0.1
"""Of one timing: a small model is run again and again, or the machine's other work would decide."""


@dataclass(frozen=True)
class Measuring:
    """How runtimes are compared.

    runtimes: the candidates, fp32 among them. photos: whose vectors are compared. labelled_photos: of the benchmark. repeats:
    timings of each runtime. make: (name, model, place) -> the runtime. clock: seconds, as time.perf_counter.
    """

    runtimes: tuple[str, ...] = tuple(RUNTIMES)
    photos: int = TRIAL_PHOTOS
    labelled_photos: int = LABELLED_PHOTOS
    repeats: int = REPEATS
    make: Callable[[str, Any, Place], Runtime] = make_runtime
    clock: Callable[[], float] = time.perf_counter


MEASURING = Measuring()


@dataclass(frozen=True)
class Measurement:
    """What was found of one runtime. status: chosen, agrees, slower (than the chosen one, so that its top-1 was not asked
    for), differs, or missing; reason: of the last two. Numbers that were not measured are None."""

    runtime: str
    status: str = "agrees"
    reason: str = ""
    seconds_to_make: float | None = None
    lowest_cosine: float | None = None
    photos_per_second: float | None = None
    slowest: float | None = None
    fastest: float | None = None
    top1: float | None = None


@dataclass(frozen=True)
class Choice:
    """The runtime to use, and what was measured. benchmark: the name of the one that top-1 is of."""

    runtime: str
    measurements: tuple[Measurement, ...]
    photos: int
    benchmark: str
    benchmark_photos: int

    def as_facts(self) -> dict[str, Any]:
        """What is worth showing: the choice, and photos a second and state of each runtime."""
        facts: dict[str, Any] = {"runtime": self.runtime, "photos": self.photos, "benchmark": self.benchmark}
        for one in self.measurements:
            rate = f"{one.photos_per_second:,.1f} photos/s, " if one.photos_per_second is not None else ""
            facts[one.runtime] = f"{rate}{one.status}" + (f": {one.reason}" if one.reason else "")
        return facts

    def as_rows(self) -> list[dict[str, Any]]:
        """The measurements as JSON values."""
        return [asdict(measurement) for measurement in self.measurements]


def choose_runtime(
    model: Any,
    photos: ReadyPixels,
    benchmark: Callable[[], Benchmark],
    place: Place,
    wanted: str = AUTO,
    measuring: Measuring = MEASURING,
) -> Choice:
    """Measures the runtimes and chooses one.

    photos: of the user's own; each runtime embeds all of them, and is timed on the first TIMED_PHOTOS, in turn, several
    times. benchmark: asked for when a runtime besides fp32 is a candidate. wanted: auto, or the name of the only one that
    is of interest. Raises MissingRuntimeError or ModelError when the wanted one cannot be made or does not agree.
    """
    names = list(measuring.runtimes) if wanted == AUTO else list(dict.fromkeys([REFERENCE, wanted]))
    with progress("Measuring runtimes", len(names) * (1 + measuring.repeats), "step") as bar:
        made, found = _make_and_compare(names, model, photos, place, measuring, bar)
        if wanted != AUTO and found[wanted].status == "missing":
            raise MissingRuntimeError(found[wanted].reason)
        _time_in_turn(made, found, photos, measuring, bar)
    by_speed = sorted(made, key=lambda name: -(found[name].photos_per_second or 0))
    order = by_speed if wanted == AUTO else [name for name in (wanted, REFERENCE) if name in made]
    chosen, labelled = _first_that_agrees(order, made, found, benchmark)
    if wanted != AUTO and found[wanted].status == "differs":
        raise ModelError(
            f"{wanted} was asked for and does not agree with {REFERENCE} on this model: {found[wanted].reason} "
            "Set embedding.runtime=auto for the fastest that does."
        )
    found[chosen] = replace(found[chosen], status="chosen")
    logger.info("Runtime %s: %s", chosen, ", ".join(map(_in_words, found.values())))
    return Choice(
        chosen,
        tuple(found.values()),
        len(photos),
        labelled.name if labelled else "",
        len(labelled.photos) if labelled else 0,
    )


def write_choice(choice: Choice, folder: Path) -> tuple[str, ...]:
    """Writes measurements.json, measurements.csv and runtimes.png; returns their names. They hold timings."""
    from clip_pipeline.embedding.runtimes.figure import draw_runtimes

    rows = choice.as_rows()
    (folder / "measurements.json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    with (folder / "measurements.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    draw_runtimes(rows, choice.benchmark, folder / "runtimes.png")
    return ("measurements.json", "measurements.csv", "runtimes.png")


def _make_and_compare(
    names: Sequence[str], model: Any, photos: ReadyPixels, place: Place, measuring: Measuring, bar: Any
) -> tuple[dict[str, Runtime], dict[str, Measurement]]:
    """The runtimes that could be made and whose vectors are near enough, and a measurement of each name."""
    made: dict[str, Runtime] = {}
    found: dict[str, Measurement] = {}
    reference_ND = np.empty((0, 0))
    for name in names:
        started = measuring.clock()
        bar.advance(note=name)
        try:
            runtime = measuring.make(name, model, place)
        except MissingRuntimeError as error:
            found[name] = Measurement(name, "missing", str(error))
            continue
        seconds = measuring.clock() - started
        vectors_ND = encode_all(runtime, photos)
        if name == REFERENCE:
            reference_ND = vectors_ND
        cosine = lowest_cosine(vectors_ND, reference_ND)
        found[name] = Measurement(name, seconds_to_make=seconds, lowest_cosine=cosine)
        if cosine >= MIN_COSINE or name == REFERENCE:
            made[name] = runtime
        else:
            reason = f"the 1st percentile of the cosines to fp32 is {cosine:.5f}, at least {MIN_COSINE} was expected."
            found[name] = replace(found[name], status="differs", reason=reason)
    return made, found


def _time_in_turn(
    made: dict[str, Runtime], found: dict[str, Measurement], photos: ReadyPixels, measuring: Measuring, bar: Any
) -> None:
    """One after the other and then all again: what else the machine does hits all alike. Their first call was before."""
    pixels = photos.rows(0, TIMED_PHOTOS)
    rates: dict[str, list[float]] = {name: [] for name in made}
    clock = measuring.clock
    for _ in range(measuring.repeats):
        for name, runtime in made.items():
            started, count = clock(), 0
            while count == 0 or clock() - started < MIN_SECONDS:
                runtime.encode_images(pixels)
                count += len(pixels)
            rates[name].append(count / max(clock() - started, 1e-9))
            bar.advance(note=name)
    for name, several in rates.items():
        middle = statistics.median(several)
        found[name] = replace(found[name], photos_per_second=middle, slowest=min(several), fastest=max(several))


def _first_that_agrees(
    order: Sequence[str], made: dict[str, Runtime], found: dict[str, Measurement], benchmark: Callable[[], Benchmark]
) -> tuple[str, Benchmark | None]:
    """The first whose top-1 is near that of fp32; those after it are not scored any more."""
    labelled: Benchmark | None = None
    wanted = 0.0
    for place, name in enumerate(order):
        if name != REFERENCE:
            if labelled is None:
                labelled = benchmark()
                wanted = top1(encode_all(made[REFERENCE], labelled.photos), labelled)
                found[REFERENCE] = replace(found[REFERENCE], top1=wanted)
            score = top1(encode_all(made[name], labelled.photos), labelled)
            found[name] = replace(found[name], top1=score)
            if not within_points(score, wanted):
                reason = (
                    f"top-1 on {labelled.name} is {score:.2%}, and {wanted:.2%} with fp32; at most {MAX_POINTS} points "
                    "apart was expected."
                )
                found[name] = replace(found[name], status="differs", reason=reason)
                continue
        for slower in order[place + 1 :]:
            found[slower] = replace(found[slower], status="slower")
        return name, labelled
    raise AssertionError("fp32 agrees with itself and is always made")


def _in_words(measurement: Measurement) -> str:
    if measurement.photos_per_second is None:
        return f"{measurement.runtime} {measurement.status}"
    return f"{measurement.runtime} {measurement.photos_per_second:,.0f} photos/s ({measurement.status})"
