"""Language models beside each other and beside what learns nothing: bits per character with intervals, shortening, cost.

scores.parquet   a row a model (or table, or compressor) and split; the same models give the same bytes
pairs.csv        every model beside each that does not pool, by the seeds that both have
segments.json    where the segments of a text begin
table.csv        the same as scores.parquet with times; timing.json, bits.png, times.png, segments.png: they differ from machine to machine
"""

from __future__ import annotations

import csv
import dataclasses
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clip_pipeline.display.text_table import text_table
from clip_pipeline.language.alphabet import text_of
from clip_pipeline.language.asked import AskedModel
from clip_pipeline.language.bits import bits_of_characters, block_bits
from clip_pipeline.language.corpus import SCORED, CharacterCorpus
from clip_pipeline.language.folder import load_language_model
from clip_pipeline.language.model import NONE
from clip_pipeline.language.rivals import Pair, mean_interval, pairs_of
from clip_pipeline.language.scoring import at_evaluation, found_rate, log_probabilities_of, segment_starts
from clip_pipeline.language.trained import TIMING_FILE, TRAINING_FILE
from clip_pipeline.machine.progress import progress
from clip_pipeline.records import LANGUAGE_SCORES
from clip_pipeline.settings import LanguageSettings
from clip_pipeline.training.reports.log import LOG_FILE

if TYPE_CHECKING:
    import torch

SCORES_FILE, TABLE_FILE, TIMING_OF_SCORES, SEGMENTS_FILE = "scores.parquet", "table.csv", "timing.json", "segments.json"
PAIRS_FILE = "pairs.csv"
SHOWN_CHARACTERS = 400
FORWARD_REPEATS = 5
TIMED = ("ms_per_step", "processor_minutes", "ms_forward")


@dataclass(frozen=True)
class Scored:
    """rows: of scores.parquet. pairs: of pairs.csv. table_level: bits a character of the best table of counts in the beginning of the validation text that
    trainings are scored on. timing: by the key of a model. starts: for each pooled model, where in the shown text its segments begin."""

    rows: list[dict[str, Any]]
    pairs: list[Pair]
    table_level: float
    timing: dict[str, dict[str, float]]
    starts: dict[str, list[bool]]


def compare_models(
    folders: Mapping[AskedModel, Path],
    corpus: CharacterCorpus,
    settings: LanguageSettings,
    samples: int,
    seed: int,
) -> Scored:
    """Scores every model on the same characters. samples, seed: of the bootstrap over blocks of 1,000 characters."""
    parts = {name: corpus.split(name)[: settings.scored_characters or None] for name in SCORED}
    table = corpus.table()
    # the table sees no character before the first either
    table_blocks = {name: block_bits(table.bits(ids.astype(np.int64))[1:]) for name, ids in parts.items()}
    rows: list[dict[str, Any]] = [
        _baseline_row(name, bits[split], split) for name, bits in corpus.baselines.items() for split in SCORED
    ]
    blocks: dict[tuple[str, str], np.ndarray] = {}
    timing, starts = {}, {}
    unpooled = next((asked.key for asked in folders if asked.kind == NONE), None)
    with progress("Scoring language models", total=len(folders), unit="model") as bar:
        for asked, folder in folders.items():
            model, _ = load_language_model(folder, asked.kind)
            for split, ids in parts.items():
                bits = bits_of_characters(log_probabilities_of(model), ids, settings.context, stride_of(settings))
                blocks[asked.key, split] = block_bits(bits)
                rows.append(_model_row(asked, folder, model, split, bits, ids, settings, samples, seed))
            timing[asked.key] = _timing(folder, model, parts["test"][: settings.context])
            if asked.kind != NONE:
                starts[asked.key] = segment_starts(model, parts["test"][:SHOWN_CHARACTERS]).tolist()
            bar.advance()
    for row in rows:
        mine = blocks.get((row["key"], row["split"]))
        if mine is not None:
            row |= _difference("table", mine, table_blocks[row["split"]], samples, seed)
            if unpooled is not None:
                row |= _difference("unpooled", mine, blocks[unpooled, row["split"]], samples, seed)
    beginning = corpus.split("validation")[: settings.validation_characters or None].astype(np.int64)
    level = float(table.bits(beginning)[1:].mean())
    return Scored(rows, pairs_of(list(folders), blocks, samples, seed), level, timing, starts)


def stride_of(settings: LanguageSettings) -> int:
    """Characters between two windows."""
    return settings.stride or max(1, settings.context // 2)


def write_comparison(scored: Scored, folders: Mapping[AskedModel, Path], corpus: CharacterCorpus, folder: Path) -> None:
    """Writes tables, timings and figures."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from clip_pipeline.language.figures import draw_bits, draw_segments, draw_times

    whole: list[dict[str, Any]] = [{name: row.get(name) for name in LANGUAGE_SCORES.names} for row in scored.rows]
    pq.write_table(pa.Table.from_pylist(whole, LANGUAGE_SCORES), folder / SCORES_FILE)
    (folder / TIMING_OF_SCORES).write_text(json.dumps(scored.timing, indent=1) + "\n", encoding="utf-8")
    text = text_of(corpus.split("test")[:SHOWN_CHARACTERS])
    places = {key: np.flatnonzero(begins).tolist() for key, begins in scored.starts.items()}
    shown = json.dumps({"text": text, "segments begin at": places})
    (folder / SEGMENTS_FILE).write_text(shown + "\n", encoding="utf-8")
    with (folder / TABLE_FILE).open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, [*LANGUAGE_SCORES.names, *TIMED])
        writer.writeheader()
        for row in whole:
            writer.writerow(row | scored.timing.get(row["key"], {}))
    with (folder / PAIRS_FILE).open("w", newline="", encoding="utf-8") as stream:
        pairs = csv.DictWriter(stream, [field.name for field in dataclasses.fields(Pair)])
        pairs.writeheader()
        pairs.writerows(dataclasses.asdict(pair) for pair in scored.pairs)
    draw_bits(whole, verdict(whole), folder / "bits.png")
    logs = {model.key: path / LOG_FILE for model, path in folders.items()}
    draw_times(logs, scored.table_level, folder / "times.png")
    draw_segments(text, scored.starts, folder / "segments.png")


def verdict(rows: Sequence[Mapping[str, Any]]) -> str:
    """The sentence that stands over the figure: whether any model needs fewer bits of the test text than the best table of counts."""
    test = [row for row in rows if row["split"] == "test"]
    # the order was chosen on the validation text
    tables = [row for row in rows if row["split"] == "validation" and row["name"].startswith("counts@")]
    table_name = min(tables, key=lambda row: row["bits_per_character"])["name"]
    table = next(row for row in test if row["name"] == table_name)
    models = [row for row in test if row["seed"] is not None]
    order = table_name.partition("@")[2]
    if not models:
        return f"The table of order {order} needs {table['bits_per_character']:.3f} bits; no model was trained."
    best = min(models, key=lambda row: row["bits_per_character"])
    away, low, high = best["less_than_table"], best["less_than_table_low"], best["less_than_table_high"]
    if low is None:
        more = "less" if away > 0 else "more"
        return f"{best['key']} needs {abs(away):.3f} bits {more} than the table of order {order}; the text is too short for an interval."
    numbers = f"{best['bits_per_character']:.3f} bits and the table of order {order} {table['bits_per_character']:.3f}"
    span = f"{abs(away):.3f} ({min(abs(low), abs(high)):.3f} to {max(abs(low), abs(high)):.3f})"
    if low > 0:
        return f"{best['key']} needs {numbers}: {span} less than a table that only counts."
    if high < 0:
        return (
            f"A table that only counts beats every model here: the best, {best['key']}, needs {numbers}, {span} more."
        )
    return f"{best['key']} needs {numbers}: no difference that the text can show ({low:+.3f} to {high:+.3f})."


def table_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """The test text's rows for a terminal, fewest bits first."""
    cells = []
    for row in sorted((row for row in rows if row["split"] == "test"), key=lambda row: row["bits_per_character"]):
        low, high, trained = row.get("low"), row.get("high"), row["seed"] is not None
        cells.append(
            (
                row["key"],
                f"{row['bits_per_character']:.3f}",
                "" if low is None else f"{low:.3f} to {high:.3f}",
                f"{row['shortening']:.2f}" if trained else "",
                f"{row['parameters']:,}" if trained else "",
                f"{row['steps']:,}" if trained else "",
            )
        )
    header = ("model", "bits a character, test", "95 %", "characters a segment", "parameters", "steps")
    return text_table(cells, header, right=range(1, len(header)))


def _baseline_row(name: str, bits: float, split: str) -> dict[str, Any]:
    return {"key": name, "name": name, "split": split, "bits_per_character": bits, "seed": None}


def _model_row(
    asked: AskedModel,
    folder: Path,
    model: torch.nn.Module,
    split: str,
    bits: np.ndarray,
    ids: np.ndarray,
    settings: LanguageSettings,
    samples: int,
    seed: int,
) -> dict[str, Any]:
    facts = json.loads((folder / TRAINING_FILE).read_text(encoding="utf-8"))
    low, high = mean_interval(block_bits(bits), samples, seed)
    rate = found_rate(model, ids, settings.context)
    return {
        "key": asked.key,
        "name": asked.name,
        "split": split,
        "bits_per_character": float(bits.mean()),
        "low": low,
        "high": high,
        "seed": asked.seed,
        "characters": len(bits),
        "window": settings.context,
        "stride": stride_of(settings),
        "shortening": 1.0 if rate is None else rate.shortening,
        "padded_shortening": 1.0 if rate is None else rate.characters / rate.padded,
        "parameters": facts["parameters"],
        "flops_per_character": flops_per_character(model, ids[: settings.context]),
        "steps": facts["steps"],
        "trained_characters": facts["characters"],
    }


def flops_per_character(model: torch.nn.Module, ids: np.ndarray) -> float:
    """Multiplications and additions of one forward pass over a stretch of text, by the boundaries that the model draws in it, a character.
    Attention counts whole, also the half that is masked."""
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    # of the CPU's fused attention torch counts nothing (2.13)
    with at_evaluation(model) as device, sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        model(torch.from_numpy(ids[None].astype(np.int64)).to(device))
    return counter.get_total_flops() / len(ids)


def _timing(folder: Path, model: torch.nn.Module, ids: np.ndarray) -> dict[str, float]:
    """Processor time of the training's steps, and of a forward pass over one window, in milliseconds: the median of some."""
    import torch

    trained = json.loads((folder / TIMING_FILE).read_text(encoding="utf-8"))
    seconds = []
    with at_evaluation(model) as device:
        tokens_BL = torch.from_numpy(ids[None].astype(np.int64)).to(device)
        for _ in range(1 + FORWARD_REPEATS):
            before = time.process_time()
            model(tokens_BL)
            seconds.append(time.process_time() - before)
    return {
        "ms_per_step": trained["ms_per_step"],
        "processor_minutes": trained["processor_seconds"] / 60,
        "ms_forward": 1000 * float(np.median(seconds[1:])),
    }


def _difference(name: str, mine: np.ndarray, other: np.ndarray, samples: int, seed: int) -> dict[str, float | None]:
    """How many bits fewer than another on the same blocks, with the interval of the paired differences."""
    less = other - mine
    low, high = mean_interval(less, samples, seed)
    return {f"less_than_{name}": float(less.mean()), f"less_than_{name}_low": low, f"less_than_{name}_high": high}
