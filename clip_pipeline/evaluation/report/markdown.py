"""The report as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from clip_pipeline.evaluation.report.chapters import Chapter
from clip_pipeline.evaluation.report.terminal_table import TASK_NAMES, interval_text, mark, metric_name, percent

HOW_TO_READ = (
    "Each score is a share of test samples, with its 95 % bootstrap interval over photos (Wilson’s where nearly all or nearly none hit). Chance is what guessing gives: "
    "one in the number of candidate classes, or for retrieval the odds that k random results hold a right one. "
    "Zero-shot candidates are the classes that occur in the split; “all classes as candidates” uses every class of the dataset. "
    "Ties go to what is listed first, which does not know the truth."
)

ADAPTATION = (
    "Ways of adapting the model on nested fractions of the training photos, tested on the same photos each time. The interval is "
    "over test photos and seeds. Out of domain is the zero-shot accuracy on other classes that is left afterwards."
)


def markdown_text(facts: Mapping[str, Any], drawn: Mapping[str, str], chapters: Sequence[Chapter]) -> str:
    """The whole document; images are linked relative to its folder."""
    parts = [f"# {facts['title']}"]
    if facts.get("facts_line"):
        parts.append("\n".join(f"- {name}: {text}" for name, text in facts["facts_line"].items()))
    parts += ["## Scores", _table(SCORE_HEADER, score_cells(facts["scores"])), HOW_TO_READ]
    parts += _image("Scores with intervals and chance", drawn.get("scores"))
    if facts.get("funnel"):
        parts += ["## From words to pairs", _table(("what", "count"), count_cells(facts["funnel"]))]
        parts += _image("What is left after each step", drawn.get("funnel"))
    for key, heading, columns in COUNT_TABLES:
        if facts.get(key):
            parts += [f"### {heading}", _table(columns, count_cells(facts[key]))]
    if "training" in drawn:
        parts += ["## Training", *_image("Loss, learning rate and logit scale", drawn["training"])]
    for chapter in chapters:
        parts += _chapter(chapter)
    if adaptation := facts.get("adaptation"):
        parts += ["## Adapting to labelled photos", ADAPTATION, _table(adaptation["header"], adaptation["cells"])]
        parts += _image("Accuracy by the number of photos", drawn.get("adaptation"))
    if facts.get("timings"):
        parts += ["## Time", *_image("Time to build each asset", drawn.get("timings"))]
    if facts.get("machine"):
        parts.append(f"Machine: {facts['machine']}")
    if facts.get("recipe"):
        parts += ["## Recipe", f"```json\n{facts['recipe'].strip()}\n```"]
    return "\n\n".join(parts) + "\n"


COUNT_TABLES = (
    ("photo_statuses", "Photos by what became of them", ("status", "photos")),
    ("pairs_by_split", "Pairs by split", ("split", "pairs")),
)
SCORE_HEADER = ("task", "dataset", "split", "prompts", "metric", "score", "95 % interval", "chance", "n", "note")


def score_cells(rows: Iterable[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """The score table's cells, as text."""
    return [
        (
            TASK_NAMES.get(row["task"], row["task"]),
            row["dataset"],
            row["split"],
            row["templates"] or "–",
            metric_name(row["metric"]),
            percent(row["value"]),
            interval_text(row),
            percent(row["chance"]) if row["chance"] is not None else "–",
            f"{row['n']:,}",
            mark(row),
        )
        for row in rows
    ]


def count_cells(counts: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """(name, count with thousands separated); a count may itself be a mapping, which is written out."""
    cells: list[tuple[str, ...]] = []
    for name, count in counts.items():
        text = ", ".join(f"{v:,} {k}" for k, v in count.items()) if isinstance(count, Mapping) else f"{count:,}"
        cells.append((str(name).replace("_", " "), text))
    return cells


def confusion_cells(chapter: Chapter) -> list[tuple[str, ...]]:
    """The commonest confusions' cells."""
    return [(label, called, f"{times:,} of {total:,}") for label, called, times, total in chapter.confusions]


HARDEST_HEADER = ("class", "recall", "95 % interval", "photos", "taken for", "times")


def worst_cells(chapter: Chapter) -> list[tuple[str, ...]]:
    """The hardest classes' cells."""
    return [
        (
            one.name,
            percent(one.recall),
            f"{100 * one.low:.1f} – {100 * one.high:.1f}",
            f"{one.photos:,}",
            one.taken_for or "–",
            f"{one.times:,}",
        )
        for one in chapter.worst_classes
    ]


CONFUSION_HEADER = ("class", "called", "photos")


def _chapter(chapter: Chapter) -> list[str]:
    if chapter.searches:
        return [f"## Searching {chapter.dataset}", *_image("Captions and photos found", chapter.searches_figure)]
    parts = [f"## What {chapter.dataset} {chapter.split} is taken for"]
    if chapter.confusions:
        parts.append(_table(CONFUSION_HEADER, confusion_cells(chapter)))
    parts += _image("Confusion matrix", chapter.confusion_figure)
    if chapter.worst_classes:
        parts += ["### Hardest classes", _table(HARDEST_HEADER, worst_cells(chapter))]
    if chapter.calibration:
        parts += ["### Calibration", chapter.calibration, *_image("Reliability diagram", chapter.calibration_figure)]
    return parts + _image("Photos with the nearest classes", chapter.classified_figure)


def _image(text: str, path: str | None) -> list[str]:
    return [f"![{text}]({path})"] if path else []


def _table(header: Sequence[str], cells: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    lines += ["| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |" for row in cells]
    return "\n".join(lines)
