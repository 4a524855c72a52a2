"""How long one photo and one text take: batch 1, each part for itself, as the median and the 95th percentile of many tries."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import cycle
from pathlib import Path
from time import perf_counter

import numpy as np

from clip_pipeline.evaluation.single_photo import SinglePhotos

CONDITIONS_FILE, TABLE_FILE, PLOT_FILE = "conditions.json", "latencies.csv", "latencies.png"

REPEATS, WARM_UP = 50, 5
MAX_SECONDS = 10.0
"""Of one part; a slow model gets fewer tries, and at least MIN_REPEATS."""

MIN_REPEATS = 5
PHOTO_SIZE = (640, 480)
CLASSES = 1000
"""Compared with in `photo to answer`."""

TEXTS = (
    "a dog",
    "a photo of a small red cup on a table",
    "two people walk along the beach in the evening while a child plays with a ball in the sand",
)


@dataclass(frozen=True)
class Latency:
    """part: what was timed. p50_ms, p95_ms: percentiles of so many repeats, in milliseconds."""

    part: str
    p50_ms: float
    p95_ms: float
    repeats: int


def sample_photo() -> bytes:
    """The JPEG that is timed: 640 x 480, with as much in it as a photo has, the same each time."""
    from PIL import Image

    width, height = PHOTO_SIZE
    coarse = np.random.default_rng(0).integers(0, 256, (height // 16, width // 16, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(coarse).resize(PHOTO_SIZE, Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def measure_latencies(photos: SinglePhotos, repeats: int = REPEATS, warm_up: int = WARM_UP) -> list[Latency]:
    """The latencies of preparing a photo, the image encoder, the tokenizer, the text encoder, and from a photo to an answer.

    Each part runs `warm_up` times unseen, then `repeats` times or MAX_SECONDS.
    """
    content = sample_photo()
    pixels = photos.prepare(content)
    vector_D = photos.embed(pixels)
    classes_CD = np.random.default_rng(0).standard_normal((CLASSES, len(vector_D)), np.float32)
    texts, tokens = cycle(TEXTS), cycle([photos.tokens(text) for text in TEXTS])

    def answer() -> None:
        int(np.argmax(classes_CD @ photos.embed(photos.prepare(content))))

    parts: dict[str, Callable[[], object]] = {
        "decode and prepare a photo": lambda: photos.prepare(content),
        "image encoder": lambda: photos.embed(pixels),
        "tokenise a text": lambda: photos.tokens(next(texts)),
        "text encoder": lambda: photos.embed_tokens(next(tokens)),
        "photo to answer": answer,
    }
    return [_measure(part, run, repeats, warm_up) for part, run in parts.items()]


def _measure(
    part: str,
    run: Callable[[], object],
    repeats: int,
    warm_up: int,
    min_repeats: int = MIN_REPEATS,
    clock: Callable[[], float] = perf_counter,
) -> Latency:
    for _ in range(warm_up):
        run()
    taken: list[float] = []
    began = clock()
    while len(taken) < repeats and (len(taken) < min_repeats or clock() - began < MAX_SECONDS):
        start = clock()
        run()
        taken.append((clock() - start) * 1000)
    low, high = np.percentile(taken, (50, 95))
    return Latency(part, float(low), float(high), len(taken))


def write_unit_inference(model_dir: Path, folder: Path, device: str, threads: int) -> list[Latency]:
    """Measures a model folder; writes conditions.json (what was run), latencies.csv and latencies.png (how long it took).

    device: of the settings. threads: for arithmetic, 0 is one a core. Raises ModelError.
    """
    from clip_pipeline.machine.device import choose_device, use_threads
    from clip_pipeline.models.folder import open_model

    device = choose_device(device)
    use_threads(threads)
    latencies = measure_latencies(SinglePhotos(*open_model(model_dir, device), device))
    conditions = {
        "batch": 1,
        "runtime": "torch_fp32",
        "repeats": REPEATS,
        "warm_up": WARM_UP,
        "photo": f"JPEG, {PHOTO_SIZE[0]} x {PHOTO_SIZE[1]}",
        "texts": TEXTS,
        "classes compared": CLASSES,
    }
    (folder / CONDITIONS_FILE).write_text(json.dumps(conditions, indent=1) + "\n", "utf-8")
    with (folder / TABLE_FILE).open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, ("part", "p50_ms", "p95_ms", "repeats"), lineterminator="\n")
        writer.writeheader()
        writer.writerows(
            {**asdict(one), "p50_ms": f"{one.p50_ms:.3f}", "p95_ms": f"{one.p95_ms:.3f}"} for one in latencies
        )
    draw_latencies(latencies, folder / PLOT_FILE, device)
    return latencies


def draw_latencies(latencies: Sequence[Latency], path: Path, device: str) -> None:
    """A bar up to the median of each part, and a line on to its 95th percentile (PNG)."""
    from clip_pipeline.evaluation.report.figures import COLOURS, INK, QUIET, new_figure, save_figure

    figure, axes = new_figure(6.4, 0.8 + 0.42 * len(latencies))
    longest = max(one.p95_ms for one in latencies)
    for place, one in enumerate(latencies):
        axes.barh(place, one.p50_ms, height=0.5, color=COLOURS[0])
        axes.plot([one.p50_ms, one.p95_ms], [place, place], color=QUIET, linewidth=2)
        axes.text(
            one.p95_ms + longest * 0.015,
            place,
            f"{one.p50_ms:.2f}  ({one.p95_ms:.2f})",
            va="center",
            fontsize=9,
            color=INK,
        )
    axes.set(yticks=range(len(latencies)), xlim=(0, longest * 1.3), ylim=(len(latencies) - 0.5, -0.6))
    axes.set_yticklabels([one.part for one in latencies], fontsize=9.5)
    axes.tick_params(axis="y", length=0)
    axes.set_title(f"Milliseconds for one, on {device}: median (95th percentile)", loc="left", fontsize=10, color=INK)
    save_figure(figure, path)
