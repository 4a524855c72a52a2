"""Which photos a search is among: by words of their captions, licence, source, split and size."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence

import numpy as np

from clip_pipeline.errors import SettingsError
from clip_pipeline.searching.facts import Facts
from clip_pipeline.text.word_boundaries import split_words

SHOWN = 40
_SIZE = re.compile(r"(>=|<=|>|<|=)?(\d{1,9})$")
_COMPARED = {
    ">=": np.greater_equal,
    "<=": np.less_equal,
    ">": np.greater,
    "<": np.less,
    "=": np.equal,
}
NO_SPLIT = "none"
"""The name of the split of photos that are in no pair."""


def filtered(facts: Facts, filters: Mapping[str, Sequence[str]]) -> np.ndarray | None:
    """(N,) bool, None for all. Of one filter any of its values counts, of several filters all.

    word: a word of a caption or keyword. licence, source: a part of what the table says, in any case of letters. split: train, validation, test or none.
    size: the shorter side of the original in pixels, as 800 (at least), <800 or =800. Raises SettingsError for a value that no photo has or that
    is no size.
    """
    kept: np.ndarray | None = None
    for name, values in filters.items():
        of_filter = np.zeros(len(facts), bool)
        for value in values:
            of_filter |= _ONE[name](facts, value.strip())
        kept = of_filter if kept is None else kept & of_filter
    return kept


def _by_word(facts: Facts, value: str) -> np.ndarray:
    """All words of the value, where it has several."""
    words = split_words(value)
    known = facts.words(words)
    if not words or len(known) < len(set(words)):
        lacking = next((word for word in words if word not in known), value)
        raise SettingsError(
            f'No photo has a caption with the word "{lacking[:SHOWN]}". Leave word:{lacking[:SHOWN]} out to search by meaning.'
        )
    kept = np.ones(len(facts), bool)
    for _, rows in known.values():
        of_word = np.zeros(len(facts), bool)
        of_word[rows] = True
        kept &= of_word
    return kept


def _by_text(name: str, facts: Facts, value: str) -> np.ndarray:
    """Photos whose column holds the value."""
    texts = facts.column(name)
    said = {text: value.lower() in text.lower() for text in set(texts) if text}
    if not any(said.values()) or not value:
        raise SettingsError(f'No photo has "{value[:SHOWN]}" in its {name}. {_nearest(value, sorted(said))}')
    return np.array([said.get(text, False) for text in texts])


def _by_split(facts: Facts, value: str) -> np.ndarray:
    splits = np.array([split or NO_SPLIT for split in facts.column("split")])
    if value.lower() not in splits:
        raise SettingsError(
            f'No photo is of the split "{value[:SHOWN]}". There are {", ".join(sorted(set(splits.tolist())))}.'
        )
    return splits == value.lower()


def _by_size(facts: Facts, value: str) -> np.ndarray:
    match = _SIZE.match(value)
    if match is None:
        raise SettingsError(
            f'"{value[:SHOWN]}" is no size. Write the pixels of the shorter side: size:800 for at least so many, size:<800, size:=800.'
        )
    sides = [
        min(width or 0, height or 0)
        for width, height in zip(facts.column("width"), facts.column("height"), strict=True)
    ]
    return _COMPARED[match[1] or ">="](np.array(sides), int(match[2]))


def _nearest(value: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(value, known, n=1, cutoff=0.0) or known[:1]
    return f"There is {near[0][:SHOWN]}." if near else "No photo has any."


_ONE = {
    "word": _by_word,
    "licence": lambda facts, value: _by_text("licence", facts, value),
    "source": lambda facts, value: _by_text("source", facts, value),
    "split": _by_split,
    "size": _by_size,
}
