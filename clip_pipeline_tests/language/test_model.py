"""The language model: no kind looks ahead, planted leaks are found, and it computes what a slow twin computes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from clip_pipeline.errors import SettingsError
from clip_pipeline.language import model as language_model
from clip_pipeline.language.bits import bits_of_characters
from clip_pipeline.language.blocks import block_class, causal_convolution, rotated
from clip_pipeline.language.coder import decode_texts, encode_texts
from clip_pipeline.language.model import KINDS, ModelForm, build_model, training_loss
from clip_pipeline.language.scoring import (
    found_rate,
    log_probabilities_of,
    model_leaks,
    next_probabilities_of,
    segment_starts,
)
from clip_pipeline.pooling.leaks import find_leaks
from clip_pipeline.pooling.predictors import Boundaries
from clip_pipeline.pooling.segments import own_segments

TOLERANCE = 1e-6
POOLED = [kind for kind in KINDS if kind != "none"]
TEXT = np.random.default_rng(4).integers(0, 6, 400).astype(np.uint8)  # a sixth of it spaces


def small(kind: str, **changes) -> torch.nn.Module:
    torch.manual_seed(1)
    form = ModelForm(kind, 3.0, (1, 1, 1), 16, 2, vocabulary=6, **changes)
    return build_model(form).eval()


@pytest.mark.parametrize("kind", KINDS)
def test_no_kind_looks_ahead(kind):
    for leak in model_leaks(small(kind), TEXT[:40], 6):
        assert leak.largest <= TOLERANCE, leak.sentence(TOLERANCE)


def test_reading_the_open_segment_is_found(monkeypatch):
    monkeypatch.setattr(language_model, "closed_segments", lambda hard_BL: own_segments(hard_BL) + 1)
    for leak in model_leaks(small("whitespace"), TEXT[:40], 6):
        assert leak.largest > 1e-4, "0.41 was measured on a trained model; this one is not trained"


def test_boundaries_of_a_tokenizer_that_are_given_instead_of_predicted_are_found():
    """They depend on how a word goes on."""
    model = small("unigram")

    class Given(torch.nn.Module):
        def forward(self, h_BLD, tokens_BL, valid_BL=None):
            last = torch.zeros(len(tokens_BL), 1, dtype=torch.bool)
            before_a_five = torch.cat([tokens_BL[:, 1:] == 5, last], dim=1)
            return Boundaries((tokens_BL == 0) | before_a_five)

    model.predictor = Given()
    changed, _ = find_leaks(lambda tokens: model(tokens).logits_BLV, torch.from_numpy(TEXT[:40].astype(np.int64)), 6)
    assert changed.largest > 1e-4


def slow_pooled(model: torch.nn.Module, ids: np.ndarray) -> np.ndarray:
    """Logits of one text, the segments gathered in lists."""
    with torch.no_grad():
        tokens = torch.from_numpy(ids[None].astype(np.int64))
        h = model.first(model.embedding(tokens))
        found = model.predictor(h, tokens)
        hard = found.hard_BL[0].tolist()
        vectors, chunk, p = [], [], []
        for place, boundary in enumerate(hard):
            if found.opens:
                if boundary:
                    vectors.append(h[0, place])
                    p.append(float(found.probabilities_BL[0, place]))
                continue
            chunk.append(h[0, place])
            if boundary:
                vectors.append(torch.stack(chunk).mean(0))
                chunk = []
        y = list(model.middle(model.segment_norm(torch.stack([model.null, *vectors])[None]))[0])
        for chunk_number in range(2, len(y) if found.opens else 0):
            y[chunk_number] = p[chunk_number - 1] * y[chunk_number] + (1 - p[chunk_number - 1]) * y[chunk_number - 1]
        read = torch.stack([y[count] for count in np.cumsum(hard)])
        joined = model.projection(h[0]) + read if hasattr(model, "projection") else h[0] + model.gate * read
        return model.head(model.norm(model.last(joined[None])))[0].numpy()


@pytest.mark.parametrize("residual", ["gated", "projected"])
@pytest.mark.parametrize("kind", POOLED)
def test_logits_are_those_of_a_twin_that_keeps_segments_in_lists(kind, residual):
    model = small(kind, residual=residual)
    ids = TEXT[:30]
    with torch.no_grad():
        logits = model(torch.from_numpy(ids[None].astype(np.int64))).logits_BLV[0].numpy()
    np.testing.assert_allclose(logits, slow_pooled(model, ids), atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_evaluation_twice_and_at_any_batch_gives_the_same_bits(kind):
    model = small(kind)
    found = [bits_of_characters(log_probabilities_of(model), TEXT, 32, 16, batch) for batch in (1, 1, 7, 64)]
    assert np.array_equal(found[0], found[1])
    for other in found[2:]:
        np.testing.assert_allclose(other, found[0], atol=1e-5)
        assert other.mean() == pytest.approx(found[0].mean(), abs=1e-6)
    assert not model.training


@pytest.mark.parametrize("kind", ["none", "whitespace", "router", "gumbel"])
def test_what_a_model_claims_is_what_an_arithmetic_coder_takes_and_the_text_comes_back(kind):
    model, texts_BL = small(kind), TEXT.reshape(20, 20)
    predicted = next_probabilities_of(model, 6)
    code = encode_texts(texts_BL, predicted)
    assert np.array_equal(decode_texts(code, 20, 20, predicted), texts_BL)
    claimed = sum(bits_of_characters(log_probabilities_of(model), row, 19, 19).sum() for row in texts_BL)
    assert 8 * len(code) == pytest.approx(claimed + 20 * np.log2(6), abs=12), (
        "one code, to whole bytes, and the first characters"
    )


def test_rates_are_counted_on_what_is_drawn():
    rate = found_rate(small("fixed"), TEXT, 30)
    assert (rate.characters, rate.boundaries, rate.shortening) == (390, 130, 3.0)
    assert rate.padded == 13 * 16
    spaces = found_rate(small("whitespace"), TEXT, 400)
    assert spaces.boundaries == (TEXT == 0).sum()
    assert found_rate(small("none"), TEXT, 30) is None
    assert not segment_starts(small("none"), TEXT[:7]).any()


def test_a_budget_of_segments_keeps_the_shape_and_does_not_look_ahead():
    model = small("whitespace", max_segments=5)
    tokens = torch.from_numpy(TEXT.reshape(4, 100).astype(np.int64))
    prediction = model(tokens)
    assert prediction.segments_B.tolist() == [5] * 4 and prediction.shortened == 16
    assert max(leak.largest for leak in model_leaks(model, TEXT[:60], 6)) <= TOLERANCE


@settings(max_examples=20)
@given(st.integers(1, 6), st.integers(1, 12), st.integers(0, 100))
def test_the_convolution_by_loops(taps, length, seed):
    rng = np.random.default_rng(seed)
    x, weights = rng.normal(size=(length, 3)), rng.normal(size=(taps, 3))
    expected = [sum(weights[back] * x[place - back] for back in range(min(taps, place + 1))) for place in range(length)]
    found = causal_convolution(torch.from_numpy(x)[None], torch.from_numpy(weights))[0]
    np.testing.assert_allclose(found, np.array(expected), atol=1e-12)


def test_rotary_places_tell_distances_only():
    q, k = torch.randn(2, 1, 1, 1, 8, generator=torch.Generator().manual_seed(0))
    turned = rotated(q.expand(1, 1, 50, 8)) @ rotated(k.expand(1, 1, 50, 8)).transpose(-1, -2)
    for distance in (0, 3, 20):
        of_distance = turned[0, 0].diagonal(-distance)
        torch.testing.assert_close(of_distance, of_distance[:1].expand_as(of_distance), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(rotated(q), q, msg="the first place is not turned")
    assert turned[0, 0].diagonal(-3)[0] != turned[0, 0].diagonal(-4)[0]


def test_a_block_without_a_convolution_has_none():
    plain = block_class()(8, 2, 0, 1)
    assert plain.taps is None and plain(torch.zeros(1, 4, 8)).shape == (1, 4, 8)


@pytest.mark.parametrize("kind", KINDS)
def test_every_weight_of_every_kind_learns(kind):
    """The router's and gumbel's predictors learn from the task too, where no rate loss is given."""
    torch.manual_seed(0)
    form = ModelForm(kind, 3.0, (1, 1, 1), 16, 2, vocabulary=6)
    model = build_model(form).train()
    tokens = torch.from_numpy(TEXT.reshape(4, 100).astype(np.int64))
    targets = tokens[:, :-1] == 0 if kind == "unigram" else None
    for rate_weight in (0.03, 0.0) if kind in ("gumbel", "router") else (0.03,):
        model.zero_grad()
        loss, parts = training_loss(model(tokens[:, :-1]), tokens[:, 1:], form, 3.0, "ratio", rate_weight, targets)
        loss.backward()
        still = [name for name, weight in model.named_parameters() if weight.grad is None or not weight.grad.any()]
        assert still == []
        assert ("boundaries" in parts) == (kind in ("unigram", "entropy", "gumbel", "router"))


def test_forms_that_cannot_be_are_refused():
    with pytest.raises(SettingsError, match='no kind of pooling "words"'):
        ModelForm("words")
    with pytest.raises(SettingsError, match="pooling begins above 1"):
        ModelForm("gumbel", 1.0)
    with pytest.raises(SettingsError, match="a layer before the segments, on them and after them"):
        ModelForm("fixed", 4.0, (0, 4, 1))
    with pytest.raises(SettingsError, match="width of 100 cannot be divided into 3 heads"):
        ModelForm(width=100, heads=3)
