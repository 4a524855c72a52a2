"""The report: what was made of what, how well it works, and how sure that is.

report.md and report.html say the same; the page carries its figures inside. scores.json and scores.csv hold the rows of every
variant, comparison.json how the variants differ, figures/ the figures.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clip_pipeline.evaluation.report import figures
from clip_pipeline.evaluation.report.chapters import retrieval_chapters, zero_shot_chapters
from clip_pipeline.evaluation.report.content import adaptation_figure, adaptations_of, report_content
from clip_pipeline.evaluation.report.rendering import markdown_text, page_text
from clip_pipeline.evaluation.report.variants import COMPARISON_FILE, variants_chapter
from clip_pipeline.evaluation.report.variants_figure import draw_variants
from clip_pipeline.evaluation.scores import write_score_files, write_scores_csv


def write_report(facts: Mapping[str, Any], folder: Path) -> None:
    """Writes report.md, report.html, scores.json, scores.csv, CLIP_benchmark's files and figures/ into `folder`.

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
      adaptation        curve: path of a figure; header, cells: its table as text
      adaptations_of_variants   the same of the other variants, name -> adaptation
      variants          `VariantScores` of each training variant, that of the report first; two or more are compared
      comparison_seed   of the comparison's resampling
      token_pooling     variant -> what training.json says of it, None for a plain model
      not_scored        sentences: what has no score, or an old one, and why
      timings           asset -> seconds
      recipe            the settings as text; machine: one line
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "figures").mkdir(exist_ok=True)
    rows = list(facts["scores"])
    others = list(facts.get("variants") or [])[1:]
    every = [*rows, *(row for one in others for row in one.rows)]
    write_score_files(every, folder, facts.get("model", ""))
    write_scores_csv(every, folder / "scores.csv")
    compared = variants_chapter(facts["variants"], facts["comparison_seed"]) if others else None
    if compared:
        (folder / COMPARISON_FILE).write_text(json.dumps(compared.as_json(), indent=1) + "\n", encoding="utf-8")
    drawn = _draw_charts(facts, rows, folder)
    chapters = zero_shot_chapters(facts, folder) + retrieval_chapters(facts, folder)
    content = report_content(facts, drawn, chapters, compared)
    (folder / "report.md").write_text(markdown_text(content), encoding="utf-8")
    (folder / "report.html").write_text(page_text(content, folder), encoding="utf-8")


def _draw_charts(facts: Mapping[str, Any], rows: list[dict[str, Any]], folder: Path) -> dict[str, str]:
    """Name of a chart -> its path inside the report."""
    drawn = {}
    if rows:
        drawn["scores"] = "figures/scores.png"
        figures.draw_scores(rows, folder / drawn["scores"])
    if len(facts.get("variants") or ()) > 1:
        drawn["variants"] = "figures/variants.png"
        draw_variants(facts["variants"], folder / drawn["variants"])
    if facts.get("funnel"):
        drawn["funnel"] = "figures/funnel.png"
        figures.draw_funnel(facts["funnel"], folder / drawn["funnel"])
    if facts.get("training_log") and Path(facts["training_log"]).is_file():
        drawn["training"] = "figures/training.png"
        figures.draw_training(Path(facts["training_log"]), facts["training_settings"], folder / drawn["training"])
    for variant, adaptation in adaptations_of(facts).items():
        name = adaptation_figure(variant)
        drawn[name] = f"figures/{name}.png"
        shutil.copyfile(adaptation["curve"], folder / drawn[name])
    if facts.get("timings"):
        drawn["timings"] = "figures/timings.png"
        figures.draw_timings(facts["timings"], folder / drawn["timings"])
    return drawn
