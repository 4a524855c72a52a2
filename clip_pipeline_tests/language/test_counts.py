"""The table of counts, against one that is kept in dictionaries, and on the real text."""

from __future__ import annotations

from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clip_pipeline.errors import SettingsError
from clip_pipeline.language.alphabet import ids_of
from clip_pipeline.language.counts import CountModel
from clip_pipeline.language.text8 import SPLITS, split_bounds

texts = st.lists(st.integers(0, 3), max_size=60).map(lambda ids: np.array(ids, np.int64))


def slow_probability(train: list[int], before: list[int], symbol: int, order: int, vocabulary: int) -> float:
    """Of one character, by dictionaries, from the shortest context to the longest."""
    found = 1 / vocabulary
    for length in range(min(order, len(before)) + 1):
        followers: dict[tuple, Counter] = defaultdict(Counter)
        for place in range(length, len(train)):
            followers[tuple(train[place - length : place])][train[place]] += 1
        seen = followers[tuple(before[len(before) - length :])]
        if seen:
            found = (seen[symbol] + len(seen) * found) / (sum(seen.values()) + len(seen))
    return found


@given(texts, texts.filter(len), st.integers(0, 3))
def test_every_probability_is_that_of_the_dictionaries(train, text, order):
    model = CountModel(train, order, 4)
    slow = [
        slow_probability(train.tolist(), text[:place].tolist(), int(text[place]), order, 4)
        for place in range(len(text))
    ]
    np.testing.assert_allclose(model.probabilities(text), slow, rtol=1e-12)
    np.testing.assert_allclose(model.bits(text), -np.log2(slow), rtol=1e-9)


@given(texts, texts, st.integers(0, 4))
def test_what_may_follow_sums_to_one_and_agrees_with_what_did(train, text, order):
    model = CountModel(train, order, 4)
    following = model.next_probabilities(text)
    assert following.sum() == pytest.approx(1.0, abs=1e-12)
    for symbol in range(4):
        assert model.probabilities(np.append(text, symbol))[-1] == pytest.approx(following[symbol], rel=1e-12)


def test_an_order_that_cannot_be_numbered_is_refused():
    assert CountModel(np.zeros(3, np.int64), 12, 27).order == 12
    for order in (13, -1):
        with pytest.raises(SettingsError, match=f"order {order} of 27 characters is too large. Take 0 to 12"):
            CountModel(np.zeros(3, np.int64), order, 27)


@pytest.mark.slow
def test_the_real_text_needs_the_bits_that_were_measured_before(shared_data):
    """Another implementation gave 1.936 (validation) and 2.012 (test) at order 5, 2.350 and 2.374 at order 3."""
    ids = ids_of((shared_data("enwik8_text8_prefix") / "text8.first-3000000-chars").read_bytes()).astype(np.int64)
    train, validation, test = (ids[slice(*split_bounds(len(ids))[split])] for split in SPLITS)
    for order, expected in ((3, (2.350, 2.374)), (5, (1.936, 2.012))):
        model = CountModel(train, order, 27)
        assert (model.bits(validation).mean(), model.bits(test).mean()) == pytest.approx(expected, abs=6e-4)
