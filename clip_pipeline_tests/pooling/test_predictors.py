"""Predictors of boundaries: each against a loop; no chance at evaluation; what a gradient reaches."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from clip_pipeline.errors import SettingsError
from clip_pipeline.pooling.predictors import (
    LEARN_TARGETS,
    PREDICTORS,
    Boundaries,
    entropy_targets,
    fixed_boundaries,
    gumbel_boundaries,
    make_predictor,
    router_probabilities,
    smoothed,
)
from clip_pipeline_tests.pooling.slow_reference import entropy_targets_by_loops, router_by_loops, smoothed_by_loops


def predictor(kind: str) -> torch.nn.Module:
    torch.manual_seed(1)
    return make_predictor(kind, 8, target=3).eval()


def some_batch(rows: int = 4, length: int = 30) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(2)
    return torch.randn(rows, length, 8, generator=generator), torch.randint(0, 5, (rows, length), generator=generator)


@given(st.integers(1, 50), st.integers(1, 9), st.integers(0, 9))
def test_fixed_distances_by_counting(length, every, offset):
    expected = [(offset + token + 1) % every == 0 for token in range(length)]
    assert fixed_boundaries(length, every, offset).tolist() == expected


def test_whitespace_is_where_the_spaces_are():
    _, tokens = some_batch()
    assert torch.equal(make_predictor("whitespace", 8, space=2)(None, tokens).hard_BL, tokens == 2)


@given(st.integers(0, 1000), st.integers(2, 20))
def test_router_by_loops(seed, length):
    rng = np.random.default_rng(seed)
    q, k = rng.normal(size=(2, length, 6)).astype(np.float32)
    found = router_probabilities(torch.from_numpy(q)[None], torch.from_numpy(k)[None])[0]
    assert found.tolist() == pytest.approx(router_by_loops(q, k), abs=1e-6)


def test_the_router_begins_with_likeness_itself_and_its_first_token_opens_a_segment():
    alike = torch.tensor([[[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0], [-1.0, 0.1]]])
    found = make_predictor("router", 2)(alike, None)
    assert found.hard_BL.tolist() == [[True, False, True, False]] and found.opens
    assert found.probabilities_BL[0, 0] == 1.0


@given(st.integers(0, 1000), st.integers(1, 40))
def test_smoothing_by_loops(seed, count):
    rng = np.random.default_rng(seed)
    z, p = rng.normal(size=(count, 3)).astype(np.float32), rng.random(count).astype(np.float32)
    found = smoothed(torch.from_numpy(z)[None], torch.from_numpy(p)[None])[0]
    np.testing.assert_allclose(found, smoothed_by_loops(z, p), atol=2e-6)


def test_smoothing_of_sure_boundaries_is_nothing_and_of_a_thousand_segments_exact():
    z = torch.randn(1, 1000, 3, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(smoothed(z, torch.ones(1, 1000)), z, rtol=0, atol=2e-5)
    p = torch.full((1, 1000), 0.01)
    np.testing.assert_allclose(smoothed(z, p)[0], smoothed_by_loops(z[0].numpy(), p[0].numpy()), atol=2e-6)


def test_smoothing_has_a_finite_gradient_where_boundaries_are_sure():
    z = torch.randn(2, 5, 3, requires_grad=True, generator=torch.Generator().manual_seed(0))
    p = torch.tensor([[1.0, 1.0, 0.0, 0.5, 1.0]] * 2, requires_grad=True)
    smoothed(z, p).square().sum().backward()
    assert z.grad.isfinite().all() and p.grad.isfinite().all() and p.grad[:, 3].abs().min() > 0


def test_smoothing_has_a_shape_on_the_meta_device():
    z, p = torch.empty(2, 5, 3, device="meta"), torch.empty(2, 5, device="meta")
    assert smoothed(z, p).shape == (2, 5, 3)


@given(st.integers(0, 1000), st.integers(1, 30))
def test_entropy_targets_by_loops(seed, length):
    logits = np.random.default_rng(seed).normal(size=(length, 5)) * 3
    assert entropy_targets(torch.from_numpy(logits)[None])[0].tolist() == entropy_targets_by_loops(logits)


@given(st.integers(0, 1000))
def test_gumbel_samples_by_the_formula(seed):
    rng = np.random.default_rng(seed)
    logits, u = rng.normal(size=10), rng.uniform(0.01, 0.99, size=10)
    expected = 1 / (1 + np.exp(-(logits + np.log(u) - np.log(1 - u)) / 0.5))
    np.testing.assert_allclose(gumbel_boundaries(torch.from_numpy(logits), torch.from_numpy(u)), expected, rtol=1e-6)


def test_gumbel_draws_as_often_as_its_probability_and_only_in_training():
    found, (h, tokens) = predictor("gumbel"), some_batch(64, 200)
    torch.manual_seed(0)
    found.train()
    share = np.mean([found(h, tokens).hard_BL.float().mean().item() for _ in range(30)])
    logits = found(h, tokens).logits_BL
    assert share == pytest.approx(logits.sigmoid().mean().item(), abs=0.005)
    found.eval()
    twice = [found(h, tokens).hard_BL for _ in range(2)]
    assert torch.equal(twice[0], twice[1]) and torch.equal(twice[0], logits > 0)
    assert 0 < twice[0].float().mean() < 1, "neither none nor all at the start"


@pytest.mark.parametrize("kind", PREDICTORS)
def test_neither_the_batch_nor_padding_nor_the_future_change_a_boundary(kind):
    found, (h, tokens) = predictor(kind), some_batch()
    together = found(h, tokens).hard_BL
    assert 0 < together.float().mean() < 1
    valid = torch.arange(30).expand(4, -1) < 20
    padded = found(h, tokens, valid).hard_BL
    assert torch.equal(padded, together & valid)
    for row in range(4):
        assert torch.equal(found(h[row : row + 1], tokens[row : row + 1]).hard_BL[0], together[row])
        assert torch.equal(found(h[row : row + 1, :20], tokens[row : row + 1, :20]).hard_BL[0], together[row, :20])


@pytest.mark.parametrize("kind", PREDICTORS)
def test_the_task_reaches_the_decisions_of_the_kinds_that_learn_from_it(kind):
    found, (h, tokens) = predictor(kind).train(), some_batch()
    boundaries = found(h, tokens)
    factor = boundaries.factor_BL
    if kind not in ("gumbel", "router"):
        assert factor is None
        return
    assert torch.equal(factor.detach(), torch.ones_like(factor)), "the forward pass is left as it is"
    (gradient,) = torch.autograd.grad(factor.sum(), boundaries.probabilities_BL, retain_graph=True)
    assert torch.equal(gradient, torch.where(boundaries.hard_BL, 1.0, -1.0)), "surer where the reading helps"
    factor.sum().backward()
    assert any(parameter.grad.abs().sum() > 0 for parameter in found.parameters())


@pytest.mark.parametrize("kind", LEARN_TARGETS)
def test_targets_are_learnt_from_logits_to_a_small_loss(kind):
    """From probabilities, as in the reference, the loss stays above 0.6 at a share of 20 %."""
    torch.manual_seed(0)
    found = make_predictor(kind, 8).train()
    h = torch.randn(1, 200, 8)
    targets = h[..., 0] > 0.8
    optimizer = torch.optim.Adam(found.parameters(), lr=0.03)
    for _ in range(120):
        boundaries = found(h, None)
        loss = boundaries.target_loss(targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.1
    assert (boundaries.hard_BL == targets).float().mean() > 0.97


def test_a_target_loss_looks_at_valid_tokens_only():
    logits, targets = torch.tensor([[2.0, -1.0, 9.0]]), torch.tensor([[True, True, False]])
    expected = (np.log1p(np.exp(-2.0)) + np.log1p(np.exp(1.0))) / 2
    found = Boundaries(logits > 0, logits.sigmoid(), logits)
    assert found.target_loss(targets, torch.tensor([[True, True, False]])).item() == pytest.approx(expected, rel=1e-6)


def test_an_unknown_kind_and_a_rate_of_one_are_refused():
    with pytest.raises(SettingsError, match='called "whitespaces". Did you mean "whitespace"'):
        make_predictor("whitespaces", 8)
    with pytest.raises(SettingsError, match="target is 1 tokens a segment: pooling begins above 1"):
        make_predictor("fixed", 8, target=1)
    with pytest.raises(SettingsError, match=r"whole number of tokens a segment, not 2\.5"):
        make_predictor("fixed", 8, target=2.5)
