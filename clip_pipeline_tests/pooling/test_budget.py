"""Exactly so many segments a row, beside loops over tokens."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from clip_pipeline.errors import ShapeError
from clip_pipeline.pooling.budget import (
    even_segments,
    exact_boundaries,
    ranked_boundaries,
    router_logits,
    sampled_logits,
)
from clip_pipeline.pooling.segments import own_segments


def logits(rows: int = 5, length: int = 12, seed: int = 0) -> torch.Tensor:
    return torch.randn(rows, length, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("count", [1, 2, 5, 11, 12])
def test_the_largest_logits_close_a_segment_and_the_last_token_always(count):
    some = logits()
    found = exact_boundaries(some, count)
    for row, hard in zip(some.numpy(), found.hard_BL.numpy(), strict=True):
        wanted = {11, *np.argsort(-row[:-1])[: count - 1].tolist()}
        assert set(np.flatnonzero(hard).tolist()) == wanted
    assert (own_segments(found.hard_BL)[:, -1] == count - 1).all()


@pytest.mark.parametrize("count", [1, 2, 5, 11, 12])
def test_a_probability_is_above_a_half_exactly_where_a_segment_is_closed(count):
    some = logits()
    found = exact_boundaries(some, count)
    assert torch.equal(found.probabilities_BL[:, :-1] > 0.5, found.hard_BL[:, :-1]) or count in (1, 12)
    assert (found.probabilities_BL[:, :-1] <= 0.5).all() if count == 1 else True
    assert (found.probabilities_BL >= 0.5).all() if count == 12 else True
    higher = exact_boundaries(some + 7, count)
    assert torch.allclose(higher.probabilities_BL, found.probabilities_BL, atol=1e-6), "only differences count"


def test_the_gradient_of_every_free_decision_is_that_of_its_probability():
    some = logits().requires_grad_()
    exact_boundaries(some, 4).factor_BL.sum().backward()
    found = exact_boundaries(some.detach(), 4)
    sigmoid = found.probabilities_BL
    slope = torch.where(found.hard_BL, 1.0, -1.0) * sigmoid * (1 - sigmoid)
    slope[:, -1] = 0  # decides nothing
    assert torch.allclose(some.grad, slope, atol=1e-7)
    assert (exact_boundaries(some, 4).factor_BL == 1).all()


def test_a_token_closes_what_the_next_one_opens():
    vectors = torch.tensor([[1.0, 0], [1, 0.1], [0, 1], [0, 1.1], [-1, 0]])[None]
    found = router_logits(vectors, vectors)
    cosines = torch.nn.functional.cosine_similarity(vectors[:, :-1], vectors[:, 1:], dim=-1)
    assert torch.allclose(found[:, :-1], ((1 - cosines) / 2).clamp(1e-6, 1 - 1e-6).logit(), atol=1e-4)
    assert np.flatnonzero(exact_boundaries(found, 3).hard_BL[0]).tolist() == [1, 3, 4]


def test_samples_are_drawn_without_replacement_by_the_exponentials_of_their_logits():
    row = torch.tensor([0.5, 2.0, 0.0, -1.0, 0.0])  # the last decides nothing
    uniform = torch.rand(20_000, 5, generator=torch.Generator().manual_seed(0))
    closed = exact_boundaries(sampled_logits(row.expand(20_000, -1), uniform), 3).hard_BL[:, :-1].float().mean(0)
    share = row[:-1].softmax(0)
    # first or second of two draws
    wanted = [share[i] + sum(share[j] * share[i] / (1 - share[j]) for j in range(4) if j != i) for i in range(4)]
    assert closed.tolist() == pytest.approx([float(value) for value in wanted], abs=0.015)


@pytest.mark.parametrize(("length", "count"), [(16, 4), (10, 4), (7, 7), (5, 1)])
def test_even_segments_are_as_long_as_one_another_to_one_token(length, count):
    sizes = np.bincount(even_segments(length, count).numpy(), minlength=count)
    assert len(sizes) == count and sizes.sum() == length and sizes.max() - sizes.min() <= 1


@pytest.mark.parametrize("count", [0, 13])
def test_more_segments_than_tokens_are_refused(count):
    with pytest.raises(ShapeError, match="Ask for 1 to 12"):
        exact_boundaries(logits(), count)


def test_rows_of_their_own_length_have_as_many_as_they_are_to_have():
    some, places = logits(6), torch.arange(12)
    free, counts = (places > 0) & (places < torch.tensor([[12], [9], [9], [5], [2], [0]])), [4, 8, 0, 2, 1, 0]
    found = ranked_boundaries(some, free, torch.tensor(counts))
    for row, at, hard, count in zip(some, free, found.hard_BL, counts, strict=True):
        chosen = sorted(torch.where(at)[0].tolist(), key=lambda place: -row[place].item())[:count]
        assert torch.where(hard)[0].tolist() == sorted(chosen)
    assert torch.equal((found.probabilities_BL > 0.5)[0][free[0]], found.hard_BL[0][free[0]])
    assert found.probabilities_BL.isfinite().all()
    hard = torch.cat(
        [
            ranked_boundaries(some[at : at + 1, :9], free[at : at + 1, :9], torch.tensor(counts[at : at + 1])).hard_BL
            for at in range(1, 6)
        ]
    )
    assert torch.equal(hard, found.hard_BL[1:, :9]), "whatever the row is filled up to"


def test_of_equals_the_earlier_closes_also_where_they_are_equal_but_for_rounding():
    even = torch.full((1, 12), -13.0)
    free = torch.ones(1, 12, dtype=torch.bool)
    for logit in (-13.0, 0.0, 2.0):
        noisy = even * 0 + logit + 2e-7 * torch.randn(1, 12, generator=torch.Generator().manual_seed(1))
        assert torch.where(ranked_boundaries(noisy, free, torch.tensor([5])).hard_BL[0])[0].tolist() == [0, 1, 2, 3, 4]


def test_the_gradient_of_a_ranked_decision_is_that_of_its_probability():
    some = logits().requires_grad_()
    found = ranked_boundaries(some, torch.ones(5, 12, dtype=torch.bool), torch.full((5,), 4))
    assert torch.equal(found.factor_BL, torch.ones(5, 12))
    found.factor_BL.sum().backward()
    assert some.grad is not None and (some.grad != 0).all()
    assert torch.equal(some.grad > 0, found.hard_BL)
