"""The losses that hold a rate, against torch's distributions, numpy and an implementation by others; the rising target."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from clip_pipeline.errors import SettingsError
from clip_pipeline.pooling.predictors import Boundaries
from clip_pipeline.pooling.rates import RATE_LOSSES, binomial_loss, check_target, hinge_loss, ratio_loss, rising_target

targets = st.floats(1.1, 20)


@given(st.lists(st.integers(0, 30), min_size=1, max_size=6), targets)
def test_the_binomial_loss_is_that_of_torch_distributions(counts, target):
    counts_B, lengths_B = (
        torch.tensor(counts, dtype=torch.float64),
        torch.full((len(counts),), 30.0, dtype=torch.float64),
    )
    binomial = torch.distributions.Binomial(30, probs=torch.tensor(1 / target, dtype=torch.float64))
    expected = (-binomial.log_prob(counts_B) / 30).mean()
    assert float(binomial_loss(counts_B, lengths_B, target)) == pytest.approx(float(expected), abs=1e-6)


def test_the_binomial_loss_in_fp32_is_exact_enough_at_real_lengths():
    counts, lengths = torch.tensor([400.0, 410.0, 500.0]), torch.full((3,), 2048.0)
    expected = (
        -torch.distributions.Binomial(2048, probs=torch.tensor(0.2).double()).log_prob(counts.double()).mean() / 2048
    )
    assert float(binomial_loss(counts, lengths, 5.0)) == pytest.approx(float(expected), abs=1e-6)


@given(st.integers(0, 30), st.integers(0, 10), targets)
def test_ratio_loss_by_numpy(boundaries, seed, target):
    rng = np.random.default_rng(seed)
    hard, p = np.arange(30) < boundaries, rng.random(30)
    f, g = hard.mean(), p.mean()
    expected = target / (target - 1) * ((target - 1) * f * g + (1 - f) * (1 - g))
    found = ratio_loss(torch.from_numpy(hard)[None], torch.from_numpy(p)[None], target)
    assert float(found) == pytest.approx(expected, rel=1e-5)


def test_ratio_loss_is_one_at_the_target_and_pushes_towards_it():
    p = torch.full((1, 100), 0.25, requires_grad=True)
    at = ratio_loss(torch.arange(100)[None] < 25, p, 4.0)
    assert at.item() == pytest.approx(1.0)
    for boundaries, sign in ((50, 1.0), (10, -1.0)):
        loss = ratio_loss(torch.arange(100)[None] < boundaries, p, 4.0)
        (gradient,) = torch.autograd.grad(loss, p)
        assert (gradient.sign() == sign).all(), "down where there are too many boundaries, up where too few"


def test_hinge_is_nothing_between_its_bounds():
    lengths = torch.full((1,), 100.0)
    below = 0.25 - 3 * math.sqrt(0.25 * 0.75 / 100)
    for count, expected in ((25, 0.0), (20, 0.0), (40, 0.15), (5, below - 0.05)):
        assert float(hinge_loss(torch.tensor([float(count)]), lengths, 4.0)) == pytest.approx(expected, abs=1e-6)
    assert float(hinge_loss(torch.tensor([20.0]), lengths, 4.0, deviation=0.01)) == pytest.approx(
        0.25 - 0.03 - 0.2, abs=1e-6
    )


@pytest.mark.parametrize("name", RATE_LOSSES)
def test_padding_changes_no_loss_and_every_loss_reaches_the_probabilities(name):
    generator = torch.Generator().manual_seed(0)
    p = torch.rand(3, 20, generator=generator).requires_grad_()
    hard = p.detach() > 0.5
    plain = Boundaries(hard, p).rate_loss(name, 5.0)
    padding = torch.rand(3, 7, generator=generator)
    valid = torch.arange(27).expand(3, -1) < 20
    padded = Boundaries(torch.cat([hard, padding > 0.5], 1), torch.cat([p, padding], 1)).rate_loss(name, 5.0, valid)
    torch.testing.assert_close(padded, plain)
    gradients = [torch.autograd.grad(loss, p)[0] for loss in (plain, padded)]
    torch.testing.assert_close(gradients[0], gradients[1])
    assert (gradients[0] > 0).all(), "half of the tokens are boundaries and a fifth is wanted"


def test_the_target_rises_over_the_first_steps():
    at = [rising_target(step, 1000, 6.0, 10.0) for step in (0, 50, 100, 999)]
    assert at == [2.0, 4.0, 6.0, 6.0]
    assert rising_target(0, 1000, 6.0, 0.0) == 6.0
    assert rising_target(0, 1000, 1.5, 10.0) == 1.5, "a target below the start does not fall to it"


@pytest.mark.parametrize("target", [1.0, 0.5, 0.0, -3.0, math.nan])
def test_a_rate_of_one_is_refused(target):
    with pytest.raises(SettingsError, match="tokens a segment: pooling begins above 1"):
        check_target(target)
    with pytest.raises(SettingsError, match="pooling begins above 1"):
        rising_target(3, 10, target, 10.0)
    with pytest.raises(SettingsError, match="pooling begins above 1"):
        ratio_loss(torch.ones(1, 2) > 0, torch.ones(1, 2), target)


def test_an_unknown_loss_is_refused():
    with pytest.raises(SettingsError, match='no rate loss "binomal". Did you mean "binomial"'):
        Boundaries(torch.ones(1, 2) > 0, torch.ones(1, 2)).rate_loss("binomal", 4.0)


def test_router_and_ratio_loss_are_those_of_another_implementation():
    """h-net-dynamic-chunking (MIT) compares the query of a token with the key before it; the paper's code the other way round."""
    package = pytest.importorskip("h_net_dynamic_chunking")
    from clip_pipeline.pooling.predictors import router_probabilities

    torch.manual_seed(0)
    theirs = package.DynamicSequenceChunker(dim=16, target_avg_token_length=5.0, straight_through_frac_vecs=False)
    tokens = torch.randn(1, 200, 16, requires_grad=True)
    _, found = theirs(tokens, return_intermediates=True)
    queries, keys = theirs.to_queries_keys(tokens).chunk(2, dim=-1)
    ours = router_probabilities(keys, queries)
    torch.testing.assert_close(ours[:, 1:], found.probs[:, 1:], rtol=0, atol=1e-6)
    assert torch.equal(ours >= 0.5, found.boundary_mask)
    loss = ratio_loss(found.boundary_mask, found.probs, 5.0)
    torch.testing.assert_close(loss, found.aux_ratio_loss, rtol=0, atol=1e-6)
