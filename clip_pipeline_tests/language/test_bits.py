"""Every character but the first is scored once, from as many characters before it as is said."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clip_pipeline.errors import SettingsError, ShapeError
from clip_pipeline.language.bits import bits_of_characters, block_bits, windows_of

shapes = st.integers(1, 12).flatmap(lambda window: st.tuples(st.just(window), st.integers(1, window)))


@given(st.integers(2, 60), shapes)
def test_each_character_is_scored_once_with_the_least_context_that_is_said(length, shape):
    window, stride = shape
    scored: list[int] = []
    for one in windows_of(length, window, stride):
        assert one.end - one.start == min(length, window + 1), "all of one shape"
        for place in range(one.scored, one.end):
            scored.append(place)
            context = place - one.start
            assert context == place if one.start == 0 else context >= window - stride + 1
    assert scored == list(range(1, length))


def place_sum(ids_BL: np.ndarray) -> np.ndarray:
    """A model whose answer is a function of all that it sees: as if p = exp(−(sum of the ids before, plus ten times the id))."""
    return -(np.cumsum(ids_BL, 1)[:, :-1] + 10.0 * ids_BL[:, 1:])


@given(st.integers(2, 60), shapes, st.integers(1, 5), st.integers(0, 100))
def test_bits_by_a_loop_at_any_batch(length, shape, batch, seed):
    window, stride = shape
    ids = np.random.default_rng(seed).integers(0, 4, length)
    expected = np.zeros(length)
    for one in windows_of(length, window, stride):
        for place in range(one.scored, one.end):
            expected[place] = (ids[one.start : place].sum() + 10 * ids[place]) / np.log(2)
    found = bits_of_characters(place_sum, ids, window, stride, batch)
    np.testing.assert_allclose(found, expected[1:], rtol=1e-12)


def test_even_probabilities_are_the_logarithm_of_the_alphabet():
    found = bits_of_characters(
        lambda ids: np.full((len(ids), ids.shape[1] - 1), -np.log(27)), np.zeros(100, int), 16, 4
    )
    assert found.mean() == pytest.approx(np.log2(27)) and len(found) == 99


def test_blocks_hold_every_character_once():
    bits = np.arange(2_500.0)
    assert block_bits(bits).tolist() == [499.5, bits[1000:].mean()]
    assert block_bits(np.ones(10)).tolist() == [1.0]


def test_strides_and_texts_without_a_sense_are_refused():
    for stride in (0, 9):
        with pytest.raises(SettingsError, match=f"window of 8 characters was to move by {stride}: 1 to 8"):
            windows_of(100, 8, stride)
    with pytest.raises(ShapeError, match="two characters or more"):
        windows_of(1, 8, 4)
