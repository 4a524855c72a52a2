"""Batches as a pure function of (seed, step)."""

from __future__ import annotations

import numpy as np
import pytest

from clip_pipeline.errors import TrainingError
from clip_pipeline.training.data.batches import Batches, shuffled_captions, validation_pairs
from clip_pipeline_tests.training.caption_tables import make_caption_table


def table_of(captions: list[list[str]]):
    count = sum(len(texts) for texts in captions)
    return make_caption_table(captions, np.arange(count, dtype=np.int32)[:, None])


def varied_table(photos: int = 20):
    return table_of([[f"photo {i}", f"image {i}", "a photo"][: 1 + i % 3] for i in range(photos)])


def test_the_same_step_gives_the_same_batch_and_other_steps_and_seeds_do_not():
    one, again, other = (Batches(varied_table(), 4, seed) for seed in (7, 7, 8))
    for step in (0, 3, 12):
        assert all(np.array_equal(a, b) for a, b in zip(one.pairs(step), again.pairs(step), strict=True))
    assert not np.array_equal(one.pairs(0)[0], other.pairs(0)[0])
    assert not np.array_equal(one.pairs(0)[0], one.pairs(5)[0]), "the next epoch has another order"


def test_an_epoch_shows_every_photo_once_with_a_caption_of_its_own():
    table = varied_table()
    batches = Batches(table, 4, 0)
    shown = [batches.pairs(step) for step in range(batches.steps_per_epoch)]
    assert sorted(np.concatenate([photos for photos, _ in shown])) == list(range(20))
    for photos, captions in shown:
        assert ((table.first[photos] <= captions) & (captions < table.first[photos + 1])).all()


def test_every_caption_of_a_photo_is_drawn_in_time():
    table = varied_table()
    batches = Batches(table, 4, 0)
    drawn = {caption for step in range(5 * 30) for caption in batches.pairs(step)[1].tolist()}
    assert drawn == set(range(len(table.text_ids)))


def test_no_caption_text_stands_twice_in_a_batch():
    """Four of eighteen photos are nothing but "a dog", and every other one may be called so too; a reference compared ids."""
    captions = [["a dog"] if i < 4 else [f"cat {i}", "a dog"] for i in range(18)]
    table = table_of(captions)
    for seed in range(20):
        batches = Batches(table, 4, seed)
        for step in range(8):
            photos, rows = batches.pairs(step)
            assert len(set(table.text_ids[rows].tolist())) == len(set(photos.tolist())) == 4
            assert ((table.first[photos] <= rows) & (rows < table.first[photos + 1])).all()


def test_told_so_texts_repeat_where_nothing_else_is_left_or_freely():
    table = table_of([["a dog"]] * 6 + [[f"cat {i}"] for i in range(6)])
    for mode, repeats in (("unavoidable", 3), ("free", 3)):
        batches = Batches(table, 4, 0, mode)
        shown = [batches.pairs(step) for step in range(3)]
        assert sorted(np.concatenate([photos for photos, _ in shown])) == list(range(12))
        texts = [table.text_ids[rows].tolist() for _, rows in shown]
        assert sum(4 - len(set(row)) for row in texts) >= repeats


def test_too_few_different_captions_for_a_batch_get_a_sentence():
    with pytest.raises(TrainingError, match="4 pairs with different captions cannot be filled: 1 is the most"):
        Batches(table_of([["a dog"]] * 10), 4, 0).pairs(0)
    batches = Batches(table_of([["a dog"]] * 10), 4, 0, "unavoidable")
    assert [len(batches.pairs(step)[0]) for step in range(3)] == [4, 4, 4]


def test_the_validation_set_is_whole_fixed_and_shuffled():
    """A reference validated on the first shard of ordered data."""
    table = varied_table(23)
    batches = validation_pairs(table, 5, 0)
    photos = np.concatenate([photos for photos, _ in batches])
    assert [len(photos) for photos, _ in batches] == [5, 5, 5, 5, 3]
    assert sorted(photos) == list(range(23)) != photos.tolist()
    assert all(np.array_equal(a[1], b[1]) for a, b in zip(batches, validation_pairs(table, 5, 0), strict=True))
    assert [len(photos) for photos, _ in validation_pairs(varied_table(21), 5, 0)] == [5, 5, 5, 6]
    assert [len(photos) for photos, _ in validation_pairs(varied_table(3), 5, 0)] == [3]


def test_the_control_gives_each_photo_the_captions_of_one_photo():
    table = varied_table()
    shuffled = shuffled_captions(table, 0)
    assert sorted(shuffled.tokens.ravel()) == sorted(table.tokens.ravel())
    assert (shuffled.first != table.first).any() or (shuffled.tokens != table.tokens).any()
    assert (np.sort(np.diff(shuffled.first)) == np.sort(np.diff(table.first))).all()
