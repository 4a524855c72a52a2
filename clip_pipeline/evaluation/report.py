"""The report: what was made of what, how well it works, and how sure that is.

report.md and report.html say the same; the page carries its pictures inside. scores.json and scores.csv hold the rows,
figures/ the pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from clip_pipeline.evaluation import figures, photo_figures
from clip_pipeline.evaluation.confusion import commonest_confusions, confusion_matrix
from clip_pipeline.evaluation.examples import ClassifiedPhoto, Search, classified_photos, searches
from clip_pipeline.evaluation.report_markdown import markdown_text
from clip_pipeline.evaluation.report_page import page_text
from clip_pipeline.evaluation.scores import SCORES_FILE, write_scores, write_scores_csv

ReadPhotos = Callable[[Collection[str]], Mapping[str, bytes]]


@dataclass
class Chapter:
    """One dataset's pictures. dataset and split name it; the rest is empty where it does not apply."""

    dataset: str
    split: str
    confusion_figure: str = ""
    classes: int = 0
    classes_drawn: int = 0
    confusions: list[tuple[str, str, int, int]] = field(default_factory=list)
    classified: list[ClassifiedPhoto] = field(default_factory=list)
    classified_figure: str = ""
    searches: list[Search] = field(default_factory=list)
    searches_figure: str = ""


def write_report(facts: Mapping[str, Any], folder: Path) -> None:
    """Writes report.md, report.html, scores.json, scores.csv, clip_benchmark.json and figures/ into `folder`.

    facts, of which only title and scores must be there:
      title             heading
      model             what the model is called
      scores            rows of records.SCORES
      facts_line        short facts about the run, name -> text, such as {"model": "…, 1.2 million parameters"}
      funnel            name -> count, in order: articles, words kept, links, photos, pairs …
      photo_statuses    status -> photos
      pairs_by_split    split -> pairs
      training_log      path of train_log.csv; training_settings: the training's own
      zero_shot         dataset -> path of predictions.parquet, or of the folder that holds it
      retrieval         dataset -> folder of retrieval_scores
      read_photos       dataset -> function from ids to {id: file bytes}; without it no example photos are shown
      timings           asset -> seconds
      recipe            the settings as text; machine: one line
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "figures").mkdir(exist_ok=True)
    rows = list(facts["scores"])
    write_scores(rows, folder, facts.get("model", ""))
    write_scores_csv(rows, folder / "scores.csv")
    drawn = _draw_charts(facts, rows, folder)
    chapters = _zero_shot_chapters(facts, folder) + _retrieval_chapters(facts, folder)
    (folder / "report.md").write_text(markdown_text(facts, drawn, chapters), encoding="utf-8")
    (folder / "report.html").write_text(page_text(facts, drawn, chapters, folder), encoding="utf-8")


def _draw_charts(facts: Mapping[str, Any], rows: list[dict[str, Any]], folder: Path) -> dict[str, str]:
    """Name of a chart -> its path inside the report."""
    drawn = {}
    if rows:
        drawn["scores"] = "figures/scores.png"
        figures.draw_scores(rows, folder / drawn["scores"])
    if facts.get("funnel"):
        drawn["funnel"] = "figures/funnel.png"
        figures.draw_funnel(facts["funnel"], folder / drawn["funnel"])
    if facts.get("training_log") and Path(facts["training_log"]).is_file():
        drawn["training"] = "figures/training.png"
        figures.draw_training(Path(facts["training_log"]), facts["training_settings"], folder / drawn["training"])
    if facts.get("timings"):
        drawn["timings"] = "figures/timings.png"
        figures.draw_timings(facts["timings"], folder / drawn["timings"])
    return drawn


def _zero_shot_chapters(facts: Mapping[str, Any], folder: Path) -> list[Chapter]:
    chapters = []
    for dataset, path in (facts.get("zero_shot") or {}).items():
        path = Path(path) / "predictions.parquet" if Path(path).is_dir() else Path(path)
        predictions = pq.read_table(path).to_pylist()
        for split in sorted({row["split"] for row in predictions}, key=lambda name: (name != "unseen", name)):
            of_split = [row for row in predictions if row["split"] == split]
            chapter = Chapter(dataset, split, confusions=commonest_confusions(of_split))
            stem = _file_name(f"{dataset}_{split}")
            names, matrix_CC, chapter.classes = confusion_matrix(of_split)
            chapter.classes_drawn = len(names)
            chapter.confusion_figure = f"figures/confusion_{stem}.png"
            figures.draw_confusion(names, matrix_CC, f"{dataset} {split}", folder / chapter.confusion_figure)
            if dataset in (facts.get("read_photos") or {}):
                chapter.classified = classified_photos(of_split, facts["read_photos"][dataset])
            if chapter.classified:
                chapter.classified_figure = f"figures/photos_{stem}.png"
                title = f"{dataset} {split}: label (bold) and nearest classes with their cosine"
                photo_figures.draw_classified(chapter.classified, title, folder / chapter.classified_figure)
            chapters.append(chapter)
    return chapters


def _retrieval_chapters(facts: Mapping[str, Any], folder: Path) -> list[Chapter]:
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


__all__ = ["SCORES_FILE", "Chapter", "ReadPhotos", "write_report"]
