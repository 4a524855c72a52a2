"""Draws docs/images/hero.png from a finished run of the sandbox: what went in, what came out, and answers to photos of unseen things.

    python docs/hero.py data

Everything on it is the run's own: frequent words that photos were found for, photos and pairs of the training, the curve of the loss,
the scores, and photos of the split `unseen` with the probabilities that the model gives, one of them a mistake where it made one.
"""

from __future__ import annotations

import io
import json
import math
import sys
import tarfile
import textwrap
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pyarrow.parquet as pq
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch
from PIL import Image, ImageOps

OUTPUT = Path(__file__).resolve().parent / "images" / "hero.png"
WIDTH, HEIGHT, SCALE = 800, 530, 2  # as it is shown; the file has SCALE times as many pixels
DPI = 200
MARGIN, GAP, PANEL = 8, 15, 144.8  # five panels side by side
STRIP_TOP, STRIP_HEIGHT = 8, 238
ANSWERS_TOP = 290
INK, GREY, PALE, GOOD, BAD, PAPER = "#1e293b", "#64748b", "#e2e8f0", "#15803d", "#b91c1c", "#ffffff"
COLOURS = ("#2563a8", "#15803d", "#a16207", "#c2410c", "#be185d")


class Canvas:
    """The picture, in pixels as it is shown, from the upper left corner."""

    def __init__(self) -> None:
        plt.rcParams["font.family"] = "DejaVu Sans"
        self._figure = plt.figure(figsize=(WIDTH * SCALE / DPI, HEIGHT * SCALE / DPI), dpi=DPI, facecolor=PAPER)
        self.axes: Axes = self._figure.add_axes((0, 0, 1, 1))
        self.axes.set(xlim=(0, WIDTH), ylim=(HEIGHT, 0))
        self.axes.axis("off")

    def text(self, x: float, y: float, words: str, size: float = 12, colour: str = INK, **more: Any) -> None:
        self.axes.text(
            x, y, words, fontsize=size * SCALE * 72 / DPI, color=colour, va=more.pop("va", "baseline"), **more
        )

    def box(self, x: float, y: float, width: float, height: float, colour: str, radius: float = 0, **more: Any) -> None:
        style = f"round,pad=0,rounding_size={radius}" if radius else "square,pad=0"
        self.axes.add_patch(
            FancyBboxPatch((x, y), width, height, boxstyle=style, facecolor=colour, **{"linewidth": 0} | more)
        )

    def line(self, x: Any, y: Any, colour: str, width: float = 1.2, **more: Any) -> None:
        self.axes.plot(x, y, color=colour, linewidth=width, solid_capstyle="round", **more)

    def photo(self, content: bytes, x: float, y: float, width: float, height: float) -> None:
        """The photo, cut to the shape of the box."""
        size = (round(width * SCALE), round(height * SCALE))
        image = ImageOps.fit(Image.open(io.BytesIO(content)).convert("RGB"), size, Image.Resampling.LANCZOS)
        self.axes.imshow(np.asarray(image), extent=(x, x + width, y + height, y), aspect="auto", interpolation="none", zorder=3)  # fmt: skip

    def save(self, path: Path) -> None:
        self.axes.set(xlim=(0, WIDTH), ylim=(HEIGHT, 0))
        content = io.BytesIO()
        self._figure.savefig(content, facecolor=PAPER)
        plt.close(self._figure)
        Image.open(content).convert("RGB").quantize(256, Image.Quantize.MEDIANCUT, kmeans=2).save(path, optimize=True)


def main() -> None:
    """Draws from the data folder named on the command line, into the file named behind it, else docs/images/hero.png."""
    if len(sys.argv) not in (2, 3):
        raise SystemExit("Name the data folder of a sandbox run: python docs/hero.py data")
    data = Path(sys.argv[1])
    if not (data / "evaluation/benchmark_report/scores.json").is_file():
        raise SystemExit(
            f"{data} has no evaluation/benchmark_report/scores.json of a finished sandbox run. Run: make demo"
        )
    draw(data, Path(sys.argv[2]) if len(sys.argv) == 3 else OUTPUT)


def draw(data: Path, path: Path) -> None:
    """The picture, written to `path`."""
    canvas = Canvas()
    panels: tuple[tuple[str, Callable[[Canvas, Path, float, str], str]], ...] = (
        ("words", _draw_words),
        ("photos", _draw_photos),
        ("pairs", _draw_pairs),
        ("CLIP", _draw_training),
        ("scores", _draw_scores),
    )
    for number, ((name, draw_panel), colour) in enumerate(zip(panels, COLOURS, strict=True)):
        x = MARGIN + number * (PANEL + GAP)
        canvas.box(x, STRIP_TOP, PANEL, STRIP_HEIGHT, colour, 8, alpha=0.08)
        canvas.text(x + 10, STRIP_TOP + 23, name, 16, colour, weight="bold")
        canvas.text(x + 10, STRIP_TOP + 41, draw_panel(canvas, data, x + 10, colour), 11.5, GREY)
        if number:
            middle = STRIP_TOP + STRIP_HEIGHT / 2
            canvas.text(x - GAP / 2, middle, "▶", 11, GREY, ha="center", va="center")
    _draw_answers(canvas, data)
    canvas.save(path)


def _draw_words(canvas: Canvas, data: Path, x: float, colour: str) -> str:
    """Bars of words that photos were found for, from the most frequent one on at even distances."""
    vocabulary = pq.read_table(data / "words/vocabulary/vocabulary.parquet").to_pylist()
    photos = Counter(
        word for words in _column(data / "images/photo_catalog/photos.parquet", "words") for word in set(words)
    )
    found = _apart(sorted((row for row in vocabulary if photos[row["word"]]), key=lambda row: -row["count"]), 8)
    for number, row in enumerate(found):
        y = STRIP_TOP + 54 + number * 22.5
        share = row["count"] / found[0]["count"]
        canvas.box(x, y, max(2.0, share * (PANEL - 20)), 18, colour, 3, alpha=0.22)
        canvas.text(x + 5, y + 13, row["word"], 12)
        canvas.text(x + PANEL - 24, y + 13, f"{row['count']:,}", 10.5, GREY, ha="right")
    return f"{len(vocabulary):,} from the dump"


def _draw_photos(canvas: Canvas, data: Path, x: float, colour: str) -> str:
    """Three rows of photos that were trained on."""
    side, gap = (PANEL - 20 - 4) / 2, 4
    for number, rows in enumerate(_apart(_training_photos(data), 7)[:6]):
        across, down = number % 2, number // 2
        canvas.photo(_photo(data, rows[0]), x + across * (side + gap), STRIP_TOP + 54 + down * (56 + gap), side, 56)
    return f"{len(set(_column(data / 'images/image_text_pairs/pairs.parquet', 'photo_id'))):,}, checked"


def _draw_pairs(canvas: Canvas, data: Path, x: float, colour: str) -> str:
    """A photo with two captions."""
    rows = _apart(_training_photos(data), 7)[6]
    canvas.photo(_photo(data, rows[0]), x, STRIP_TOP + 54, PANEL - 20, 93)
    for number, row in enumerate(rows[:2]):
        y = STRIP_TOP + 165 + number * 36
        lines = textwrap.wrap(row["caption"], 20)
        canvas.box(x, y - 11.5, 2, 14 * min(2, len(lines)), colour)
        for place, words in enumerate(lines[:2]):
            ending = " …" if place == 1 and len(lines) > 2 else ""
            canvas.text(x + 8, y + place * 14, words + ending, 11)
    return f"{len(_column(data / 'images/image_text_pairs/pairs.parquet', 'photo_id')):,}"


def _draw_training(canvas: Canvas, data: Path, x: float, colour: str) -> str:
    """The loss over the steps, beside the level of guessing."""
    folder = _model_folder(data)
    log = pq.read_table(folder / "train_log.parquet").to_pydict()
    facts = json.loads((folder / "training.json").read_text())
    steps, losses = np.array(log["step"]), np.array(log["train_loss"], float)
    highest = max(facts["guessing_loss"], float(losses.max()))
    top, bottom, width = STRIP_TOP + 72, STRIP_TOP + 206, PANEL - 20

    def across(step: Any) -> Any:
        return x + width * (np.asarray(step) - steps[0]) / (steps[-1] - steps[0])

    def down(loss: Any) -> Any:
        return bottom - (bottom - top) * np.asarray(loss, float) / highest

    canvas.line([x, x + width], [bottom, bottom], GREY, 0.8)
    canvas.line([x, x + width], [down(facts["guessing_loss"])] * 2, GREY, 0.9, linestyle=(0, (3, 3)))
    canvas.text(x + width, float(down(facts["guessing_loss"])) - 5, "guessing", 11, GREY, ha="right")
    canvas.line(across(steps), down(losses), colour, 1.5)
    checked = [(step, loss) for step, loss in zip(log["step"], log["validation_loss"], strict=True) if loss is not None and not math.isnan(loss)]  # fmt: skip
    canvas.line(
        across([step for step, _ in checked]), down([loss for _, loss in checked]), INK, 1.1, marker="o", markersize=2
    )
    canvas.text(x + width, STRIP_TOP + 116, "training loss", 12, colour, ha="right", weight="bold")
    canvas.text(x + width, STRIP_TOP + 131, "validation", 11, INK, ha="right")
    canvas.text(x, bottom + 17, "0", 11, GREY)
    canvas.text(x + width, bottom + 17, f"{steps[-1]:,} steps", 11, GREY, ha="right")
    return f"{facts['parameters'] / 1e6:.1f} M parameters"


def _draw_scores(canvas: Canvas, data: Path, x: float, colour: str) -> str:
    """Bars of four scores with their intervals, and a mark where chance is."""
    wanted = (
        ("zero-shot, unseen", ("zero_shot", "unseen", "top1")),
        ("zero-shot, seen", ("zero_shot", "seen", "top1")),
        ("text → image, in 10", ("retrieval", "test", "text_to_image_recall@10")),
        ("linear probe, unseen", ("linear_probe", "unseen", "top1")),
    )
    rows = {(row["task"], row["split"], row["metric"]): row for row in reversed(_scores(data))}
    width = PANEL - 20
    for number, (name, key) in enumerate(wanted):
        y = STRIP_TOP + 55 + number * 45
        row = rows[key]
        canvas.text(x, y + 10, name, 11)
        canvas.box(x, y + 15, width, 17, PAPER, 3)
        canvas.box(x, y + 15, max(3.0, width * row["value"]), 17, colour, 3, alpha=0.85)
        canvas.line([x + width * row["low"], x + width * row["high"]], [y + 23.5] * 2, INK, 1.3)
        canvas.line([x + width * row["chance"]] * 2, [y + 14, y + 33], INK, 1.1)
        inside = row["value"] > 0.5
        start = (0 if inside else width * row["high"]) + (
            width * row["chance"] if row["chance"] < 0.2 and inside else 0
        )
        canvas.text(
            x + 8 + start, y + 27.5, f"{100 * row['value']:.1f} %", 11.5, PAPER if inside else INK, weight="bold"
        )
    return "| marks chance"


def _draw_answers(canvas: Canvas, data: Path) -> None:
    """Photos of combinations that no training photo shows, with the three likeliest classes."""
    (score,) = (
        row for row in _scores(data) if (row["task"], row["split"], row["metric"]) == ("zero_shot", "unseen", "top1")
    )
    canvas.text(MARGIN, ANSWERS_TOP - 14, "Photos of things it never saw, and what it says", 15, INK, weight="bold")
    canvas.text(WIDTH - MARGIN, ANSWERS_TOP - 14, f"{100 * score['value']:.1f} % right; guessing {100 * score['chance']:.1f} %", 12, GREY, ha="right")  # fmt: skip
    scale = json.loads((_model_folder(data) / "training.json").read_text())["logit_scale"]
    for number, row in enumerate(_chosen(_unseen(data))):
        x, y = MARGIN + number * (PANEL + GAP), ANSWERS_TOP
        frame = GOOD if row["correct"] else BAD
        canvas.box(x - 2, y - 2, PANEL + 4, 130 + 4, frame)
        canvas.photo(_benchmark_photo(data, row), x, y, PANEL, 130)
        for place, (name, similarity) in enumerate(
            list(zip(row["best_names"], row["best_similarities"], strict=True))[:3]
        ):
            share = row["confidence"] * math.exp(scale * (similarity - row["best_similarities"][0]))
            top = y + 140 + place * 24
            right = name == row["label_name"]
            colour = GOOD if right else BAD if place == 0 else GREY
            canvas.box(x, top, PANEL, 20, PALE, 3, alpha=0.6)
            canvas.box(x, top, max(2.0, PANEL * share), 20, colour, 3, alpha=0.3)
            canvas.text(x + 6, top + 14.2, name, 12, INK if place == 0 or right else GREY, weight="bold" if place == 0 else "normal")  # fmt: skip
            canvas.text(x + PANEL - 6, top + 14.2, _percent(share), 12, INK if place == 0 else GREY, ha="right")
        if not row["correct"]:
            canvas.text(x + PANEL, y + 230, f"it is a {row['label_name']}", 12, GOOD, ha="right", weight="bold")
    canvas.text(
        MARGIN,
        ANSWERS_TOP + 230,
        f"Zero-shot among {round(1 / score['chance'])} combinations of colour and object that no training photo shows. Bars: probability.",
        12,
        GREY,
    )


def _chosen(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Five of different objects and colours: four right answers spread over the classes, and the first mistake that shares neither."""
    chosen: list[dict[str, Any]] = []
    for wanted, count in ((True, 4), (False, 1)):
        left = [row for row in rows if row["correct"] == wanted]
        for row in left if not wanted else _by_class(left):
            used = {word for other in chosen for word in other["label_name"].split()}
            if not used & set(row["label_name"].split()):
                chosen.append(row)
                count -= 1
            if not count:
                break
        chosen += left[:count]  # where classes are few
    return chosen


def _by_class(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of each class the answer of middling confidence."""
    classes: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        classes.setdefault(row["label_name"], []).append(row)
    return [sorted(of, key=lambda row: row["confidence"])[len(of) // 2] for of in classes.values()]


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.01 else "< 1 %"


def _column(path: Path, name: str) -> list[Any]:
    return pq.read_table(path, columns=[name])[name].to_pylist()


def _scores(data: Path) -> list[dict[str, Any]]:
    return json.loads((data / "evaluation/benchmark_report/scores.json").read_text())


def _model_folder(data: Path) -> Path:
    return sorted((data / "training/clip_checkpoint").iterdir())[0]


def _unseen(data: Path) -> list[dict[str, Any]]:
    path = sorted((data / "evaluation/zero_shot_scores/sandbox").glob("*/predictions.parquet"))[0]
    return [row for row in pq.read_table(path).to_pylist() if row["split"] == "unseen"]


def _training_photos(data: Path) -> list[list[dict[str, Any]]]:
    """The pairs of each photo of the training that has two captions or more and is as wide as high, or wider."""
    photos: dict[str, list[dict[str, Any]]] = {}
    for row in pq.read_table(data / "images/image_text_pairs/pairs.parquet").to_pylist():
        if row["split"] == "train" and row["width"] >= row["height"]:
            photos.setdefault(row["photo_id"], []).append(row)
    several = [rows for rows in photos.values() if len(rows) > 1 and all(len(row["caption"]) <= 40 for row in rows[:2])]
    return several or list(photos.values())


def _apart(rows: list[Any], count: int) -> list[Any]:
    """`count` rows at even distances."""
    return [rows[number * len(rows) // count] for number in range(count)]


def _photo(data: Path, row: dict[str, Any]) -> bytes:
    return _member(data / f"images/image_shards/{row['shard']}/{row['shard']}.tar", f"{row['key']}.jpg")


def _benchmark_photo(data: Path, row: dict[str, Any]) -> bytes:
    """id: `unseen/0/s0000007`, a member of unseen/0.tar."""
    tar, _, key = row["id"].rpartition("/")
    return _member(data / f"images/benchmark_dataset/sandbox/{tar}.tar", f"{key}.jpg")


def _member(path: Path, name: str) -> bytes:
    with tarfile.open(path) as tar:
        file = tar.extractfile(name)
        if file is None:
            raise SystemExit(f"{name} in {path} is no file.")
        return file.read()


if __name__ == "__main__":
    main()
