"""The chapters of the report: one dataset each, its figures drawn and its tables made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from clip_pipeline.evaluation.report import figures, photo_figures
from clip_pipeline.evaluation.report.calibration_figure import draw_calibration
from clip_pipeline.evaluation.report.confusion import commonest_confusions, confusion_matrix
from clip_pipeline.evaluation.report.examples import (
    ClassifiedPhoto,
    Search,
    classified_photos,
    mistaken_photos,
    searches,
)
from clip_pipeline.evaluation.report.table import Table
from clip_pipeline.evaluation.report.terminal_table import interval_text, percent
from clip_pipeline.evaluation.report.worst_classes import WorstClass, find_worst_classes
from clip_pipeline.evaluation.statistics.calibration import BINS, calibration_bins


@dataclass
class Chapter:
    """What is shown of one dataset. dataset and split name it; the rest is empty where it does not apply."""

    dataset: str
    split: str
    confusion_figure: str = ""
    classes: int = 0
    classes_drawn: int = 0
    confusions: list[tuple[str, str, int, int]] = field(default_factory=list)
    classified: list[ClassifiedPhoto] = field(default_factory=list)
    classified_figure: str = ""
    worst_classes: list[WorstClass] = field(default_factory=list)
    mistaken: list[ClassifiedPhoto] = field(default_factory=list)
    calibration_figure: str = ""
    calibration: str = ""
    searches: list[Search] = field(default_factory=list)
    searches_figure: str = ""

    @property
    def confusion_title(self) -> str:
        """What the figure of the confusions shows."""
        shown = f" ({self.classes_drawn} of {self.classes} classes, the most confused)"
        return "Confusion matrix" + (shown if self.classes_drawn < self.classes else "")

    @property
    def confusion_table(self) -> Table:
        """The commonest confusions."""
        rows = [(label, called, f"{times:,} of {total:,}") for label, called, times, total in self.confusions]
        return Table(("class", "called", "photos"), rows)

    @property
    def worst_table(self) -> Table:
        """The worst classes."""
        rows = [
            (
                one.name,
                percent(one.recall),
                f"{100 * one.low:.1f} – {100 * one.high:.1f}",
                f"{one.photos:,}",
                one.taken_for or "–",
                f"{one.times:,}",
            )
            for one in self.worst_classes
        ]
        return Table(("class", "recall", "95 % interval", "photos", "taken for", "times"), rows)


def zero_shot_chapters(facts: Mapping[str, Any], folder: Path) -> list[Chapter]:
    """A chapter for each split that was classified. facts as for `report.write_report`; figures go to folder/figures."""
    chapters = []
    for dataset, path in (facts.get("zero_shot") or {}).items():
        path = Path(path) / "predictions.parquet" if Path(path).is_dir() else Path(path)
        predictions = pq.read_table(path).to_pylist()
        first_set = predictions[0]["templates"] if predictions else ""
        predictions = [row for row in predictions if row["templates"] == first_set]
        for split in sorted({row["split"] for row in predictions}, key=lambda name: (name != "unseen", name)):
            of_split = [row for row in predictions if row["split"] == split]
            chapter = Chapter(dataset, split, confusions=commonest_confusions(of_split))
            stem = _file_name(f"{dataset}_{split}")
            names, matrix_CC, chapter.classes = confusion_matrix(of_split)
            chapter.classes_drawn = len(names)
            chapter.confusion_figure = f"figures/confusion_{stem}.png"
            figures.draw_confusion(names, matrix_CC, f"{dataset} {split}", folder / chapter.confusion_figure)
            chapter.worst_classes = find_worst_classes(of_split)
            _draw_calibration(chapter, of_split, facts["scores"], folder, stem)
            if dataset in (facts.get("read_photos") or {}):
                chapter.classified = classified_photos(of_split, facts["read_photos"][dataset])
                names = [one.name for one in chapter.worst_classes]
                chapter.mistaken = mistaken_photos(of_split, names, facts["read_photos"][dataset])
            if chapter.classified:
                chapter.classified_figure = f"figures/photos_{stem}.png"
                title = f"{dataset} {split}: label (bold) and nearest classes with their cosine"
                photo_figures.draw_classified(chapter.classified, title, folder / chapter.classified_figure)
            chapters.append(chapter)
    return chapters


def _draw_calibration(
    chapter: Chapter, predictions: list[dict[str, Any]], scores: list[dict[str, Any]], folder: Path, stem: str
) -> None:
    """Only where the model's logit scale was known, so that the predictions hold probabilities."""
    if any(row["confidence"] is None for row in predictions):
        return
    confidence = [row["confidence"] for row in predictions]
    bins = calibration_bins(confidence, [row["correct"] for row in predictions])
    mean = sum(confidence) / len(confidence)
    right = sum(row["correct"] for row in predictions) / len(predictions)
    chapter.calibration = f"On average the model is {percent(mean)} sure and {percent(right)} right."
    wanted = {
        "dataset": chapter.dataset,
        "split": chapter.split,
        "metric": "ece",
        "templates": predictions[0]["templates"],
    }
    error = next((row for row in scores if all(row[name] == value for name, value in wanted.items())), None)
    if error:
        chapter.calibration += f" Expected calibration error, in {BINS} bins of equal width: {percent(error['value'])} [{interval_text(error)}]."
    chapter.calibration_figure = f"figures/calibration_{stem}.png"
    title = f"{chapter.dataset} {chapter.split}: how sure, and how often right"
    draw_calibration(bins, title, folder / chapter.calibration_figure)


def retrieval_chapters(facts: Mapping[str, Any], folder: Path) -> list[Chapter]:
    """A chapter for each dataset that was searched and whose photos can be read."""
    chapters = []
    for dataset, path in (facts.get("retrieval") or {}).items():
        chapter = Chapter(dataset, "test")
        if dataset in (facts.get("read_photos") or {}):
            chapter.searches = searches(Path(path), facts["read_photos"][dataset])
        if chapter.searches:
            chapter.searches_figure = f"figures/search_{_file_name(dataset)}.png"
            title = f"{dataset}: the five photos nearest to a caption"
            photo_figures.draw_searches(chapter.searches, title, folder / chapter.searches_figure)
            chapters.append(chapter)
    return chapters


def _file_name(text: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in text)
