"""A corpus of characters as a folder: the text, its splits, and what tables of counts and compressors make of it.

text.txt      a to z and spaces
corpus.json   the splits by place, the checksum, and the bits per character of what learns nothing
"""

from __future__ import annotations

import bz2
import hashlib
import json
import lzma
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from clip_pipeline.language.alphabet import VOCABULARY, ids_of
from clip_pipeline.language.counts import CountModel
from clip_pipeline.language.text8 import SPLITS, is_true_text8, split_bounds
from clip_pipeline.machine.progress import progress

TEXT_FILE, CORPUS_FILE = "text.txt", "corpus.json"
ORDERS = range(8)
SCORED = ("validation", "test")


@dataclass(frozen=True)
class CharacterCorpus:
    """text: all of it. baselines: bits per character of each split that is scored, by what made them: uniform, counts@5, bz2, xz."""

    text: bytes
    baselines: dict[str, dict[str, float]]

    def split(self, name: str) -> np.ndarray:
        """(n,) uint8 ids of train, validation or test."""
        first, end = split_bounds(len(self.text))[name]
        return ids_of(self.text[first:end])

    @property
    def best_table(self) -> str:
        """The order of counts that needs the fewest bits of the validation text: counts@5."""
        tables = {name: bits["validation"] for name, bits in self.baselines.items() if name.startswith("counts@")}
        return min(tables, key=lambda name: tables[name])

    def table(self) -> CountModel:
        """That table, counted anew."""
        return CountModel(self.split("train").astype(np.int64), int(self.best_table.partition("@")[2]), VOCABULARY)


def write_corpus(text: bytes, folder: Path) -> dict[str, Any]:
    """Writes the two files; returns what is known of the text. Raises InputError for one that is too short, or holds other characters."""
    bounds, ids = split_bounds(len(text)), ids_of(text).astype(np.int64)
    parts = {name: ids[slice(*bounds[name])] for name in SPLITS}
    baselines: dict[str, dict[str, float]] = {"uniform": dict.fromkeys(SCORED, float(np.log2(VOCABULARY)))}
    with progress("Counting what follows what", total=len(ORDERS), unit="order") as bar:
        for order in ORDERS:
            table = CountModel(parts["train"], order, VOCABULARY)
            baselines[f"counts@{order}"] = {name: float(table.bits(parts[name]).mean()) for name in SCORED}
            bar.advance()
    for name, compress in (("bz2", bz2.compress), ("xz", lzma.compress)):
        sizes = {split: len(compress(text[slice(*bounds[split])])) for split in SCORED}
        baselines[name] = {split: 8 * size / len(parts[split]) for split, size in sizes.items()}
    facts = {
        "characters": len(text),
        "sha256": hashlib.sha256(text).hexdigest(),
        "is text8": is_true_text8(text),
        "splits": {name: list(bounds[name]) for name in SPLITS},
        "baselines": baselines,
    }
    (folder / TEXT_FILE).write_bytes(text)
    (folder / CORPUS_FILE).write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    return facts


def read_corpus(folder: Path) -> CharacterCorpus:
    """What `write_corpus` wrote."""
    facts = json.loads((folder / CORPUS_FILE).read_text(encoding="utf-8"))
    return CharacterCorpus((folder / TEXT_FILE).read_bytes(), facts["baselines"])
