"""The arithmetic coder: what goes in comes out, in as many bits as the probabilities say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clip_pipeline.errors import InputError
from clip_pipeline.language.coder import Decoder, Encoder, cumulative_shares, decode_texts, encode_texts
from clip_pipeline.language.counts import CountModel


@given(st.lists(st.floats(0, 1), min_size=2, max_size=30).filter(lambda p: sum(p) > 0))
def test_shares_are_near_the_probabilities_and_none_is_nought(probabilities):
    shares = np.diff(cumulative_shares(np.array(probabilities)))
    assert shares.sum() == 1 << 24 and shares.min() >= 1
    wanted = np.array(probabilities) / sum(probabilities)
    assert np.abs(shares / (1 << 24) - wanted).max() < 1e-5


@given(st.integers(0, 10_000), st.integers(2, 12), st.integers(0, 200), st.sampled_from([0.05, 1.0, 20.0]))
def test_any_text_comes_back_from_any_probabilities(seed, vocabulary, length, sharpness):
    rng = np.random.default_rng(seed)
    predictions = [cumulative_shares(rng.dirichlet(np.full(vocabulary, sharpness)) + 1e-12) for _ in range(length)]
    symbols = rng.integers(0, vocabulary, length).tolist()
    encoder = Encoder()
    for shares, symbol in zip(predictions, symbols, strict=True):
        encoder.add(shares, symbol)
    decoder = Decoder(encoder.finish())
    assert [decoder.take(shares) for shares in predictions] == symbols


def test_ten_thousand_characters_take_as_many_bits_as_a_model_claims_and_come_back():
    rng = np.random.default_rng(0)
    chain = rng.dirichlet(np.full(27, 0.1), size=27)
    ids = [0]
    for _ in range(30_000):
        ids.append(int(rng.choice(27, p=chain[ids[-1]])))
    model = CountModel(np.array(ids[:20_000]), 2, 27)
    texts_BL = np.array(ids[20_000:30_000]).reshape(100, 100)

    def predicted(before_BL: np.ndarray) -> np.ndarray:
        return np.stack([model.next_probabilities(row[-2:]) for row in before_BL])

    claimed = sum(model.bits(row).sum() for row in texts_BL)
    code = encode_texts(texts_BL, predicted)
    assert 8 * len(code) == pytest.approx(claimed, rel=1e-3)
    assert np.array_equal(decode_texts(code, 100, 100, predicted), texts_BL)


def test_a_claim_that_looked_ahead_is_not_what_the_code_takes():
    """A model that saw the text claims nearly no bits; predicting from the beginning alone, it has nothing to see."""
    texts_BL = np.random.default_rng(0).integers(0, 27, (10, 100))

    def leaking(before_BL: np.ndarray) -> np.ndarray:
        return np.full((len(before_BL), 27), 1 / 27)

    claimed = 0.01 * texts_BL.size
    assert 8 * len(encode_texts(texts_BL, leaking)) > 100 * claimed


@pytest.mark.parametrize("broken", [[0.5, np.nan], [0.5, -0.1], [0.0, 0.0], [np.inf, 1.0]])
def test_what_are_no_probabilities_is_refused(broken):
    with pytest.raises(InputError, match="no probabilities"):
        cumulative_shares(np.array(broken))
