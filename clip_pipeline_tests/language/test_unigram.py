"""Targets from a unigram tokenizer: where the pieces end, by looking at the pieces."""

from __future__ import annotations

import numpy as np
import pytest

from clip_pipeline.errors import InputError
from clip_pipeline.language import unigram
from clip_pipeline.language.unigram import unigram_targets

TEXT = (b" the unhappiness of happiness and of unhappy sadness happily" * 30)[:1500]


def cut(text: bytes, targets: np.ndarray) -> list[str]:
    """The text between the boundaries."""
    ends = [0, *(np.flatnonzero(targets) + 1).tolist(), len(text)]
    return [text[start:end].decode() for start, end in zip(ends, ends[1:], strict=False)]


def test_pieces_end_at_spaces_and_inside_of_words():
    targets = unigram_targets(TEXT, pieces=60)
    assert len(targets) == len(TEXT)
    spaces = np.frombuffer(TEXT, np.uint8) == ord(" ")
    assert targets[spaces].all(), "a space closes the last piece of its word"
    inside = cut(TEXT, targets)
    assert any(not piece.endswith(" ") for piece in inside) and "".join(inside) == TEXT.decode()
    assert np.array_equal(targets, unigram_targets(TEXT, pieces=60)), "the same text gives the same pieces"


def test_by_hand(monkeypatch):
    monkeypatch.setattr(
        unigram, "_learnt", lambda text, pieces: {"ab": ["a", "b"], "cde": ["cde"], "f": ["f"]}.__getitem__
    )
    targets = unigram_targets(b"ab cde  f")
    assert targets.astype(int).tolist() == [1, 0, 1, 0, 0, 0, 1, 1, 0], "a|b |cde | |f, the last one open"


def test_a_text_without_words_is_refused():
    with pytest.raises(InputError, match="has no words"):
        unigram_targets(b"   ")
