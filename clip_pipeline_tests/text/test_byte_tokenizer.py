"""Texts as bytes: any text has ids, and comes back from them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from clip_pipeline.text.byte_tokenizer import END_ID, PAD_ID, SPACE_ID, START_ID, VOCABULARY, ByteTokenizer


def test_a_text_is_its_start_its_bytes_its_end_and_padding():
    (row,) = ByteTokenizer(12).encode(["A b"], 8).tolist()
    assert row == [START_ID, 1 + ord("a"), SPACE_ID, 1 + ord("b"), END_ID, PAD_ID, PAD_ID, PAD_ID]
    assert max(row) == END_ID == VOCABULARY - 1, "where open_clip looks for a text's features"


def test_white_space_letters_and_accents_are_written_in_one_way():
    """As BPE tokenizers of ours do: é of one code point or of two, capitals, tabs."""
    one, two = ByteTokenizer(40).encode(["Cafe\u0301\tau  LAIT\n", "caf\u00e9 au lait"], 40)
    assert one.tolist() == two.tolist()
    assert ByteTokenizer(40).decode(one) == "café au lait"


@given(st.text(st.characters(codec=None, exclude_categories=()), max_size=40), st.integers(3, 60))
def test_any_text_has_ids_and_what_fits_comes_back(text, length):
    tokenizer = ByteTokenizer(length)
    (row,) = tokenizer.encode([text], length)
    assert row.dtype == np.int32 and row[0] == START_ID and row.min() >= 0 and row.max() == END_ID
    assert (row == END_ID).sum() == (row == START_ID).sum() == 1
    (whole,) = tokenizer.encode([text], 400)
    if not any("\ud800" <= letter <= "\udfff" for letter in text):
        assert tokenizer.decode(whole).startswith(tokenizer.decode(row))
        assert "\ufffd" not in tokenizer.decode(row) or "\ufffd" in text
        assert len(tokenizer.decode(whole)) <= len(tokenizer.decode(row)) or (row == PAD_ID).sum() < 4, (
            "no more than one character is lost"
        )


def test_half_of_a_pair_of_surrogates_keeps_bytes_of_its_own():
    one, two = ByteTokenizer(12).encode(["\ud800", "\udfff"], 12)
    assert one.tolist() != two.tolist() and (one == END_ID).sum() == 1


@pytest.mark.parametrize(
    ("length", "back"), [(12, "日本語"), (11, "日本語"), (10, "日本"), (8, "日本"), (7, "日"), (4, "")]
)
def test_no_character_is_cut_in_two(length, back):
    tokenizer = ByteTokenizer(12)
    assert tokenizer.decode(tokenizer.encode(["日本語"], length)[0]) == back


def test_it_is_called_as_open_clips_tokenizers_are():
    tokenizer = ByteTokenizer(9)
    assert tokenizer("ab").shape == (1, 9) and tokenizer(["ab", "c"], 5).shape == (2, 5)
    assert tokenizer("ab").dtype == torch.int64
    assert tokenizer([]).shape == (0, 9)
