"""The heat map of a sweep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from clip_pipeline.embedding.parallelism.worker import END_TO_END, EXTRACTION

TITLES = {EXTRACTION: "extraction (ready pixels)", END_TO_END: "end to end (files decoded)"}
INK = "#22272e"


def draw_sweep(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Processes downward, threads to the right: photos a second of both kinds, scaling efficiency, memory."""
    from matplotlib.figure import Figure

    processes = sorted({row["processes"] for row in rows})
    threads = sorted({row["threads"] for row in rows})
    panels = [
        (f"photos/s, {TITLES[EXTRACTION]}", EXTRACTION, "photos_per_second", "Blues", _rate_text),
        (f"scaling efficiency, {TITLES[EXTRACTION]}", EXTRACTION, "scaling_efficiency", "Greens", _percent_text),
        (f"photos/s, {TITLES[END_TO_END]}", END_TO_END, "photos_per_second", "Blues", _rate_text),
        ("memory of all processes, MB (PSS)", EXTRACTION, "memory_mb", "Oranges", _memory_text),
    ]
    size = (2.6 + 2.5 * max(len(threads), 2), 1.6 + 1.5 * max(len(processes), 2))
    figure = Figure(figsize=size, dpi=110, layout="constrained")
    for place, (title, kind, column, colours, text) in enumerate(panels, start=1):
        axes = figure.add_subplot(2, 2, place)
        trials = {(row["processes"], row["threads"]): row for row in rows if row["kind"] == kind}
        _draw_panel(axes, trials, processes, threads, column, colours, text)
        axes.set_title(title, loc="left", fontsize=9.5, color=INK)
        axes.set(xlabel="threads of each", ylabel="processes")
    first = rows[0]
    about = f"{first['runtime']}, {first['photos']:,} photos a trial, median of {first['repeats']} (slowest – fastest)"
    figure.suptitle(about, fontsize=10.5, x=0.01, ha="left", color=INK)
    figure.savefig(path, format="png", metadata={"Software": None})


def _draw_panel(
    axes: Any, trials: Mapping, processes: list[int], threads: list[int], column: str, colours: str, text: Any
) -> None:
    import numpy as np

    values = np.full((len(processes), len(threads)), np.nan)
    for (process, thread), row in trials.items():
        if row[column] is not None:
            values[processes.index(process), threads.index(thread)] = row[column]
    largest = np.nanmax(values) if np.isfinite(values).any() else 1.0
    axes.imshow(values, cmap=colours, vmin=0, vmax=largest * 1.25, aspect="auto")
    for (process, thread), row in trials.items():
        value = row[column]
        dark = value is not None and value > 0.8 * largest
        words = text(row) if value is not None else ("left out" if row["status"] != "measured" else "–")
        at = (threads.index(thread), processes.index(process))
        axes.text(*at, words, ha="center", va="center", fontsize=8.5, color="white" if dark else INK)
    axes.set_xticks(range(len(threads)), [str(thread) for thread in threads])
    axes.set_yticks(range(len(processes)), [str(process) for process in processes])
    axes.tick_params(length=0)
    for side in axes.spines.values():
        side.set_visible(False)


def _number(value: float) -> str:
    return f"{value:,.1f}" if value < 100 else f"{value:,.0f}"


def _rate_text(row: Mapping[str, Any]) -> str:
    return f"{_number(row['photos_per_second'])}\n({_number(row['slowest'])} – {_number(row['fastest'])})"


def _percent_text(row: Mapping[str, Any]) -> str:
    return f"{row['scaling_efficiency']:.0%}\n(× {row['speedup']:.2f})"


def _memory_text(row: Mapping[str, Any]) -> str:
    return f"{row['memory_mb']:,.0f}"
