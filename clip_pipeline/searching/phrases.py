"""Short texts as people search for them, drawn from captions: phrases that photos have, and such as none has."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from clip_pipeline.text.word_boundaries import split_words

LENGTHS = (1, 2, 3)
"""Words of a phrase."""
TRIES = 30
"""For each phrase that is wanted and that no photo has."""


@dataclass(frozen=True)
class Phrases:
    """found: phrases that stand in captions. absent: two of them crossed, as `red cup` and `blue boat` to `red boat`, that stand in no photo's
    captions. Both without repetition."""

    found: list[str]
    absent: list[str]


class CaptionWords:
    """Which photos a phrase is said of. captions: of each photo, by row."""

    def __init__(self, captions: Sequence[Sequence[str]]):
        self.texts = [[" ".join(split_words(caption)) for caption in of_photo] for of_photo in captions]
        rows_of: dict[str, list[int]] = {}
        for row, texts in enumerate(self.texts):
            for word in sorted({word for text in texts for word in text.split()}):
                rows_of.setdefault(word, []).append(row)
        self.rows_of: Mapping[str, np.ndarray] = {word: np.array(rows, np.int32) for word, rows in rows_of.items()}

    def rows_with_all(self, words: Sequence[str]) -> np.ndarray:
        """Rows whose captions hold all of the words, anywhere."""
        rows: np.ndarray | None = None
        for word in sorted(set(words), key=lambda word: len(self.rows_of.get(word, ()))):
            of_word = self.rows_of.get(word, np.zeros(0, np.int32))
            rows = of_word if rows is None else np.intersect1d(rows, of_word, assume_unique=True)
        return np.zeros(0, np.int32) if rows is None else rows

    def rows_with_phrase(self, phrase: str) -> np.ndarray:
        """Rows of which a caption holds the words in their order, with at most one other between two of them: a large red cup is a large cup."""
        inside = re.compile(r"(?:^| )" + r"(?: \S+)? ".join(map(re.escape, phrase.split())) + r"(?: |$)")
        rows = self.rows_with_all(phrase.split()).tolist()
        return np.array([row for row in rows if any(map(inside.search, self.texts[row]))], np.int32)


def drawn_phrases(
    captions: CaptionWords, rows: Sequence[int], taken: Callable[[str], bool], count: int, seed: int
) -> Phrases:
    """Up to `count` phrases that captions of the rows hold, and up to as many crossed ones that no caption of any row holds.

    A phrase is one to three words of a caption that follow one another, all of them `taken`. The draw depends on the captions and the seed
    alone.
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    by_length: dict[int, dict[str, None]] = {length: {} for length in LENGTHS}
    for row in rows:
        for text in captions.texts[row]:
            words = text.split()
            for length in LENGTHS:
                for start in range(len(words) - length + 1):
                    phrase = words[start : start + length]
                    if all(map(taken, phrase)) and len(set(phrase)) == length:
                        by_length[length][" ".join(phrase)] = None
    known = {length: sorted(phrases) for length, phrases in by_length.items()}
    everything = [phrase for length in LENGTHS for phrase in known[length]]
    if not everything:
        return Phrases([], [])
    drawn = rng.permutation(len(everything))[:count]
    absent: dict[str, None] = {}
    crossed = [phrases for length, phrases in known.items() if length > 1 and len(phrases) > 1]
    for _ in range(TRIES * count if crossed else 0):
        phrases = crossed[int(rng.integers(len(crossed)))]
        first, second = (phrases[int(place)].split() for place in rng.integers(len(phrases), size=2))
        phrase = [*first[:-1], second[-1]]
        if len(set(phrase)) == len(phrase) and not len(captions.rows_with_phrase(" ".join(phrase))):
            absent[" ".join(phrase)] = None
            if len(absent) == count:
                break
    return Phrases([everything[place] for place in drawn.tolist()], list(absent))
