"""The captions of a step: several of each photo, some words left out."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import settings as example_settings
from hypothesis import strategies as st

from clip_pipeline.text.byte_tokenizer import SPACE_ID, ByteTokenizer
from clip_pipeline.training.data.batches import Batches
from clip_pipeline.training.data.captions import drop_tokens, further_captions
from clip_pipeline_tests.training.caption_tables import make_caption_table

WHOLE = slice(None)
PAD, START, END = 0, 1, 2


def table_of(captions: list[list[str]]):
    return make_caption_table(captions, np.zeros((sum(map(len, captions)), 4), np.int32))


def test_a_photo_shows_its_captions_from_the_drawn_one_on_and_then_from_the_start():
    table = table_of([["a", "b", "c"], ["d", "e"]])
    assert further_captions(table, np.array([1, 4]), 3).tolist() == [[1, 2, 0], [4, 3, 4]]


def test_one_caption_a_photo_is_the_drawn_one():
    table = table_of([["a", "b", "c"], ["d", "e"]])
    assert further_captions(table, np.array([2, 3]), 1).tolist() == [[2], [3]]


def test_a_text_that_another_photo_shows_in_the_same_column_gives_way_to_the_first_caption():
    table = table_of([["a", "dog"], ["b", "dog"], ["c", "d"]])
    assert further_captions(table, np.array([0, 2, 4]), 2).tolist() == [[0, 0], [2, 2], [4, 5]]


@example_settings(deadline=None)  # the first example compiles the order's kernels
@given(
    st.lists(st.lists(st.sampled_from("abcdefghij"), min_size=1, max_size=4), min_size=6, max_size=20),
    st.integers(0, 5),
)
def test_no_column_holds_a_text_twice_and_every_caption_is_the_photos_own(captions, seed):
    captions = [[*texts, f"of photo {i}"] for i, texts in enumerate(captions)]
    table = table_of(captions)
    photos, first = Batches(table, 5, seed).pairs(0)
    rows = further_captions(table, first, 4)
    assert (rows[:, 0] == first).all()
    assert ((table.first[photos][:, None] <= rows) & (rows < table.first[photos + 1][:, None])).all()
    for column in rows.T:
        assert len(set(table.text_ids[column].tolist())) == len(photos)


def tokens_of(photos: int = 64, captions: int = 2, length: int = 12) -> np.ndarray:
    tokens = np.random.default_rng(0).integers(5, 90, (photos, captions, length)).astype(np.int32)
    tokens[..., 0], tokens[..., -2], tokens[..., -1] = START, END, PAD
    return tokens


def test_words_are_left_out_at_the_rate_of_the_setting_and_the_ends_stay():
    tokens = tokens_of()
    shown = drop_tokens(tokens, 0, 5, 0.3, (PAD, START, END), 64, WHOLE)
    words = tokens > END
    assert (shown[~words] == tokens[~words]).all()
    assert set(shown[words & (shown != tokens)].tolist()) == {PAD}
    assert 0.25 < (shown != tokens)[words].mean() < 0.35


def test_other_words_at_each_step_and_the_same_in_a_share_of_the_batch():
    tokens = tokens_of()
    whole, again, next_step = (drop_tokens(tokens, 0, step, 0.3, (0, 1, 2), 64, WHOLE) for step in (5, 5, 6))
    assert (whole == again).all()
    assert (whole != next_step).any()
    assert (drop_tokens(tokens[16:32], 0, 5, 0.3, (0, 1, 2), 64, slice(16, 32)) == whole[16:32]).all()


def test_of_bytes_whole_words_are_left_out_each_by_one_chance():
    tokens = ByteTokenizer(24).encode(["red cups on a table"] * 400, 24)[:, None]
    seen = drop_tokens(tokens, 0, 5, 0.4, (0, 257, 258), 400, slice(None), SPACE_ID)
    left = ["".join(chr(one - 1) if 0 < one < 257 else "." for one in row[1:20]) for row in seen[:, 0].tolist()]
    words = [word for text in left for word in text.split(" ")]
    assert set(words) == {"red", "cups", "on", "a", "table", "...", "....", "..", ".", "....."}
    assert all(text[3] == text[8] == text[11] == text[13] == " " for text in left), "spaces stay"
    assert 0.35 < sum("." in word for word in words) / len(words) < 0.45
    assert len(set(left)) == 32, "any of the five, whatever becomes of the others"
    part = drop_tokens(tokens[100:200], 0, 5, 0.4, (0, 257, 258), 400, slice(100, 200), SPACE_ID)
    assert (part == seen[100:200]).all()
