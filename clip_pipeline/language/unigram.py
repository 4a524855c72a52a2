"""Boundaries between the pieces of a unigram tokenizer, which a model may learn to predict and is never given: they look ahead.

A piece's last character is a boundary, and so is the space after a word, which closes the word's last piece: as Nawrot et al. 2023 have them, but for
the first word of a window, whose boundaries are one place later there.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

from clip_pipeline.errors import InputError

PIECES = 5000
"""As in their settings for text8."""
WORD_START = "▁"


def unigram_targets(text: bytes, pieces: int = PIECES) -> np.ndarray:
    """(n,) bool: the boundaries of a text of words and single spaces, by a tokenizer that is learnt from it. Raises InputError without words."""
    words = text.split(b" ")
    distinct = sorted(set(words) - {b""})
    if not distinct:
        raise InputError("The text has no words, and unigram pieces are parts of words. Take another kind of pooling.")
    cut = _learnt(text, pieces)
    marks = {word: _marks(cut(word.decode())) for word in distinct} | {b"": b""}
    # a word and the space after it; the text ends without one
    joined = b"\x01".join(map(marks.__getitem__, words))
    return np.frombuffer(joined, np.uint8).astype(bool)


def _marks(pieces: list[str]) -> bytes:
    """A byte for each character of a word: 1 at the end of every piece but the last, which the space closes."""
    return b"".join(bytes(len(piece) - 1) + b"\x01" for piece in pieces[:-1]) + bytes(len(pieces[-1]))


def _learnt(text: bytes, pieces: int) -> Callable[[str], list[str]]:
    """Cuts a word into pieces."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement=WORD_START, prepend_scheme="always")
    trainer = trainers.UnigramTrainer(
        vocab_size=pieces, unk_token="<unk>", special_tokens=["<unk>"], show_progress=False
    )
    lines = (text[start : start + 10_000].decode() for start in range(0, len(text), 10_000))
    with _one_thread():
        tokenizer.train_from_iterator(lines, trainer)

    def cut(word: str) -> list[str]:
        found = [
            piece.removeprefix(WORD_START) if place == 0 else piece
            for place, piece in enumerate(tokenizer.encode(word).tokens)
        ]
        return [piece for piece in found if piece]

    return functools.cache(cut)


@contextmanager
def _one_thread() -> Iterator[None]:
    """The pieces' probabilities are sums of floats, whose order threads change."""
    before = os.environ.get("TOKENIZERS_PARALLELISM")
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    try:
        yield
    finally:
        if before is None:
            del os.environ["TOKENIZERS_PARALLELISM"]
        else:
            os.environ["TOKENIZERS_PARALLELISM"] = before
