"""The report as one HTML file: images inside, no script, readable on a phone, light or dark as the reader's system is."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from clip_pipeline.evaluation.report.chapters import Chapter
from clip_pipeline.evaluation.report.examples import FOUND_SHOWN, ClassifiedPhoto, Search
from clip_pipeline.evaluation.report.markdown import (
    ADAPTATION,
    CONFUSION_HEADER,
    COUNT_TABLES,
    HARDEST_HEADER,
    HOW_TO_READ,
    SCORE_HEADER,
    confusion_cells,
    count_cells,
    score_cells,
    worst_cells,
)
from clip_pipeline.evaluation.report.style import STYLE
from clip_pipeline.evaluation.report.terminal_table import interval_text, percent
from clip_pipeline.evaluation.templates import OWN

HEADLINES = {
    ("zero_shot", "top1"): "zero-shot top-1",
    ("retrieval", "image_to_text_recall@1"): "image → text recall@1",
    ("retrieval", "text_to_image_recall@1"): "text → image recall@1",
}
LEFT_ALIGNED = {
    "method",
    "task",
    "dataset",
    "split",
    "prompts",
    "metric",
    "what",
    "status",
    "class",
    "called",
    "taken for",
}


def page_text(facts: Mapping[str, Any], drawn: Mapping[str, str], chapters: Sequence[Chapter], folder: Path) -> str:
    """The whole page. folder: where `drawn` and the chapters' images lie; they are read and embedded."""

    def chart(name: str, text: str) -> str:
        return _chart(folder / drawn[name], text) if name in drawn else ""

    body = [f"<h1>{escape(facts['title'])}</h1>", _facts_line(facts.get("facts_line") or {}), _tiles(facts["scores"])]
    body.append(f"<section><h2>Scores</h2>{chart('scores', 'Scores with their intervals and chance')}")
    body.append(f"<p class=quiet>{escape(HOW_TO_READ)}</p>")
    body.append(
        f"<details><summary>All numbers</summary>{_table(SCORE_HEADER, score_cells(facts['scores']))}</details>"
    )
    body.append("</section>")
    for chapter in chapters:
        body.append(_chapter(chapter, folder))
    if adaptation := facts.get("adaptation"):
        curve = chart("adaptation", "Accuracy by the number of photos")
        table = f"<details><summary>All numbers</summary>{_table(adaptation['header'], adaptation['cells'])}</details>"
        quiet = f"<p class=quiet>{escape(ADAPTATION)}</p>"
        body.append(f"<section><h2>Adapting to labelled photos</h2>{curve}{quiet}{table}</section>")
    if "training" in drawn:
        body.append(f"<section><h2>Training</h2>{chart('training', 'Loss, learning rate, logit scale')}</section>")
    counts = [
        f"<div><h3>{heading}</h3>{_table(columns, count_cells(facts[key]))}</div>"
        for key, heading, columns in COUNT_TABLES
        if facts.get(key)
    ]
    if counts or "funnel" in drawn:
        funnel = chart("funnel", "What is left after each step")
        body.append(f"<section><h2>Data</h2>{funnel}<div class=columns>{''.join(counts)}</div></section>")
    if "timings" in drawn:
        body.append(f"<section><h2>Time</h2>{chart('timings', 'Time to build each asset')}</section>")
    if facts.get("recipe"):
        recipe = escape(facts["recipe"].strip())
        body.append(f"<section><details><summary>Recipe</summary><pre>{recipe}</pre></details></section>")
    if facts.get("machine"):
        body.append(f"<footer>{escape(facts['machine'])}</footer>")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(facts['title'])}</title><style>{STYLE}</style></head>\n<body><main>\n"
        + "\n".join(part for part in body if part)
        + "\n</main></body></html>\n"
    )


def _facts_line(facts: Mapping[str, str]) -> str:
    cells = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(str(text))}</dd></div>" for name, text in facts.items())
    return f"<dl class=facts>{cells}</dl>" if cells else ""


def _tiles(rows: Iterable[Mapping[str, Any]]) -> str:
    tiles = []
    for row in rows:
        name = HEADLINES.get((row["task"], row["metric"]))
        if name is None or row["templates"] not in ("", OWN):
            continue
        heading = f"{name}, {row['split']}"
        limits = f"{interval_text(row)} %<br>chance {percent(row['chance'])}"
        tiles.append(
            f"<div class=tile><span class=name>{escape(heading)}</span>"
            f"<span class=value>{percent(row['value'])}</span>"
            f"<span class=bar><i style='left:{100 * row['low']:.1f}%;width:{100 * (row['high'] - row['low']):.1f}%'></i>"
            f"<b style='left:{100 * row['value']:.1f}%'></b><u style='left:{100 * row['chance']:.1f}%'></u></span>"
            f"<span class=quiet>{limits}<br>{escape(row['dataset'])}, {row['n']:,} samples</span></div>"
        )
    return f"<div class=tiles>{''.join(tiles)}</div>" if tiles else ""


def _chapter(chapter: Chapter, folder: Path) -> str:
    if chapter.searches:
        rows = "".join(_search(search) for search in chapter.searches)
        return f"<section><h2>Searching {escape(chapter.dataset)}</h2>{rows}</section>"
    parts = [f"<section><h2>{escape(chapter.dataset)}, {escape(chapter.split)}</h2>"]
    if chapter.classified:
        cards = "".join(_classified(photo) for photo in chapter.classified)
        parts.append(
            "<p class=quiet>Photos evenly spaced through the split: label, then nearest classes with their cosine.</p>"
        )
        parts.append(f"<div class=photos>{cards}</div>")
    if chapter.confusions:
        table = _table(CONFUSION_HEADER, confusion_cells(chapter))
        parts.append(f"<h3>Commonest confusions</h3>{table}")
    if chapter.confusion_figure:
        shown = (
            f"{chapter.classes_drawn} of {chapter.classes} classes" if chapter.classes_drawn < chapter.classes else ""
        )
        label = f"Confusion matrix {shown and f'({shown}, the most confused)'}"
        parts.append(f"<details><summary>{label}</summary>{_chart(folder / chapter.confusion_figure, label)}</details>")
    if chapter.worst_classes:
        parts.append(f"<h3>Hardest classes</h3>{_table(HARDEST_HEADER, worst_cells(chapter))}")
    if chapter.mistaken:
        cards = "".join(_classified(photo) for photo in chapter.mistaken)
        parts.append(f"<p class=quiet>A mistaken photo of each of the hardest.</p><div class=photos>{cards}</div>")
    if chapter.calibration:
        parts.append(f"<h3>Calibration</h3><p class=quiet>{escape(chapter.calibration)}</p>")
        diagram = _chart(folder / chapter.calibration_figure, "Reliability diagram", "chart small")
        parts.append(f"<details><summary>Reliability diagram</summary>{diagram}</details>")
    return "".join(parts) + "</section>"


def _classified(photo: ClassifiedPhoto) -> str:
    lines = []
    for number, (name, cosine) in enumerate(photo.best):
        kind = "right" if name == photo.label else "wrong" if number == 0 else ""
        lines.append(f"<li class='{kind}'><span>{escape(name)}</span><span>{cosine:.2f}</span></li>")
    kind = "right" if photo.correct else "wrong"
    return (
        f"<figure class='photo {kind}'><img src='{_data_url(photo.photo, 'jpeg')}' alt='{escape(photo.label)}'>"
        f"<figcaption>{escape(photo.label)}<ol>{''.join(lines)}</ol></figcaption></figure>"
    )


def _search(search: Search) -> str:
    kind = "right" if search.place < FOUND_SHOWN else "wrong"
    photos = "".join(
        f"<img class='{'right' if own else ''}' src='{_data_url(content, 'jpeg')}' alt='{'its own photo' if own else 'photo found'}'>"
        for content, own in search.photos
    )
    return (
        f"<div class=search><p>{escape(search.text)} <span class='{kind}'>own photo at place {search.place + 1:,}</span></p>"
        f"<div class=found>{photos}</div></div>"
    )


def _chart(path: Path, text: str, kind: str = "chart") -> str:
    return (
        f"<div class=scroll><img class='{kind}' src='{_data_url(path.read_bytes(), 'png')}' alt='{escape(text)}'></div>"
    )


def _data_url(content: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def _table(header: Sequence[str], cells: Iterable[Sequence[str]]) -> str:
    aligned = ["" if name in LEFT_ALIGNED else " class=number" for name in header]
    head = "".join(f"<th{a}>{escape(name)}</th>" for name, a in zip(header, aligned, strict=True))
    rows = "".join(
        "<tr>" + "".join(f"<td{a}>{escape(str(c))}</td>" for c, a in zip(row, aligned, strict=True)) + "</tr>"
        for row in cells
    )
    return f"<div class=scroll><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
