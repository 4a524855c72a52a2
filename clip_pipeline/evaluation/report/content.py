"""What the report shows, in one place for both of its forms: tables as text, headline scores, figures, notes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from clip_pipeline.evaluation.report import variants
from clip_pipeline.evaluation.report.chapters import Chapter
from clip_pipeline.evaluation.report.table import Table
from clip_pipeline.evaluation.report.terminal_table import TASK_NAMES, interval_text, mark, metric_name, percent
from clip_pipeline.evaluation.report.token_pooling import pooling_table
from clip_pipeline.evaluation.templates import OWN

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
HEADLINES = {
    ("zero_shot", "top1"): "zero-shot top-1",
    ("retrieval", "image_to_text_recall@1"): "image → text recall@1",
    ("retrieval", "text_to_image_recall@1"): "text → image recall@1",
}
COUNT_TABLES = (
    ("photo_statuses", "Photos by what became of them", ("status", "photos")),
    ("pairs_by_split", "Pairs by split", ("split", "pairs")),
)
SCORE_HEADER = ("task", "dataset", "split", "prompts", "metric", "score", "95 % interval", "chance", "n", "note")


@dataclass(frozen=True)
class Tile:
    """One headline score. value, low, high and chance are shares, 0 to 1."""

    name: str
    value: float
    low: float
    high: float
    chance: float
    interval: str
    dataset: str
    samples: str


def report_content(
    facts: Mapping[str, Any],
    figures: Mapping[str, str],
    chapters: Sequence[Chapter],
    compared: variants.VariantsChapter | None = None,
) -> dict[str, Any]:
    """The one context of both templates. facts: as for `write_report`. figures: name -> path inside the report. compared: the
    variants, where there are several."""
    return {
        "title": facts["title"],
        "facts_line": facts.get("facts_line") or {},
        "tiles": _tiles(facts["scores"]),
        "scores": Table(SCORE_HEADER, _score_rows(facts["scores"])),
        "how_to_read": HOW_TO_READ,
        "figures": figures,
        "chapters": chapters,
        "not_scored": facts.get("not_scored") or [],
        "token_pooling": pooling_table(facts.get("token_pooling") or {}),
        "variants": compared,
        "how_to_read_variants": variants.HOW_TO_READ,
        "adaptations": [
            (f": {name}" if name else "", figures[adaptation_figure(name)], Table(found["header"], found["cells"]))
            for name, found in adaptations_of(facts).items()
        ],
        "adaptation_note": ADAPTATION,
        "funnel": Table(("what", "count"), count_rows(facts["funnel"])) if facts.get("funnel") else None,
        "counts": [
            (heading, Table(columns, count_rows(facts[key])))
            for key, heading, columns in COUNT_TABLES
            if facts.get(key)
        ]
        + _left_out(facts.get("left_out") or []),
        "recipe": (facts.get("recipe") or "").strip(),
        "machine": facts.get("machine") or "",
    }


def _left_out(rows: Sequence[Sequence[Any]]) -> list[tuple[str, Table]]:
    cells = [(asset, what, f"{count:,}", setting, example) for asset, what, count, setting, example in rows]
    return [("What was left out", Table(("of", "what", "count", "setting", "example"), cells))] if cells else []


def adaptations_of(facts: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """What the report shows of adaptations, by variant; "" for the one that the report is of."""
    own = {"": facts["adaptation"]} if facts.get("adaptation") else {}
    return own | dict(facts.get("adaptations_of_variants") or {})


def adaptation_figure(variant: str) -> str:
    """The name of the figure of its curves."""
    return f"adaptation_{variant}" if variant else "adaptation"


def _tiles(rows: Iterable[Mapping[str, Any]]) -> list[Tile]:
    return [
        Tile(
            f"{HEADLINES[row['task'], row['metric']]}, {row['split']}",
            row["value"],
            row["low"],
            row["high"],
            row["chance"],
            interval_text(row),
            row["dataset"],
            f"{row['n']:,}",
        )
        for row in rows
        if (row["task"], row["metric"]) in HEADLINES and row["templates"] in ("", OWN)
    ]


def _score_rows(rows: Iterable[Mapping[str, Any]]) -> list[tuple[str, ...]]:
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


def count_rows(counts: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """(name, count with thousands separated); a count may itself be a mapping, which is written out."""
    rows: list[tuple[str, ...]] = []
    for name, count in counts.items():
        text = ", ".join(f"{v:,} {k}" for k, v in count.items()) if isinstance(count, Mapping) else f"{count:,}"
        rows.append((str(name).replace("_", " "), text))
    return rows
