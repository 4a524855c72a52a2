"""Bits per character, of every character of a text but the first, each once, in windows whose length and stride are said beside the number.

The first window scores all of its characters; every later one begins `stride` characters after the one before and scores those that
the one before did not reach. So every character is predicted from at least window − stride + 1 characters before it, but for those of the first window; the
last window is moved back so that it is as long as the others.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from clip_pipeline.errors import SettingsError, ShapeError

LogProbabilities = Callable[[np.ndarray], np.ndarray]
"""(B, L) ids → (B, L) natural logarithms of the probability of the id that follows each place but the last: (B, L − 1)."""


@dataclass(frozen=True)
class Window:
    """The places [start, end) of a text that a model sees at once, and the first place whose character is scored."""

    start: int
    end: int
    scored: int


def windows_of(length: int, window: int, stride: int) -> list[Window]:
    """The windows of a text; each holds `window` characters to predict from, and the one after the last of them.

    Raises ShapeError for a text of one character, SettingsError for a stride that is no part of the window.
    """
    if not 1 <= stride <= window:
        raise SettingsError(f"A window of {window} characters was to move by {stride}: 1 to {window} can be done.")
    if length < 2:
        raise ShapeError("A text of two characters or more is needed: the first one is not predicted.")
    found = [Window(0, min(length, window + 1), 1)]
    while found[-1].end < length:
        end = min(length, found[-1].end + stride)
        found.append(Window(end - window - 1, end, found[-1].end))
    return found


def bits_of_characters(
    log_probabilities: LogProbabilities, ids: np.ndarray, window: int, stride: int, batch: int = 16
) -> np.ndarray:
    """(n − 1,) float64: −log2 of the probability of each character but the first.

    log_probabilities: of a model at evaluation. batch: windows at a time, which changes nothing but the time.
    """
    windows = windows_of(len(ids), window, stride)
    bits = np.full(len(ids), np.nan)
    for start in range(0, len(windows), batch):
        some = windows[start : start + batch]
        found = log_probabilities(np.stack([ids[one.start : one.end] for one in some]))
        for one, row in zip(some, found, strict=True):
            bits[one.scored : one.end] = row[one.scored - one.start - 1 :]
    return bits[1:] / -np.log(2)


def block_bits(bits: np.ndarray, block: int = 1000) -> np.ndarray:
    """(blocks,) means of stretches of the text, for intervals and paired tests: neighbouring characters are not independent.

    What is left after the last whole block counts to it.
    """
    blocks = max(1, len(bits) // block)
    return np.array([part.mean() for part in np.split(bits, np.arange(1, blocks) * block)])
