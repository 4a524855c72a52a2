"""Means of segments, and what each token reads: against loops, and against the reference's products of one-hot matrices."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from clip_pipeline.errors import ShapeError
from clip_pipeline.pooling.segments import (
    NO_SEGMENT,
    closed_segments,
    opened_segments,
    own_segments,
    rounded_up,
    segment_means,
    size_bias,
    spread,
    strongest_boundaries,
    within_budget,
)
from clip_pipeline_tests.pooling.slow_reference import closed_before, dynamic_pooling, means_by_loops, whole_segments

rows = st.lists(st.booleans(), min_size=1, max_size=40)


def vectors(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(3))


@given(rows)
def test_means_and_sizes_are_those_of_a_loop(row):
    boundaries, x = torch.tensor([row]), vectors(1, len(row), 3)
    expected = means_by_loops(x[0].numpy(), np.array(row))
    count = rounded_up(len(expected))
    means, sizes = segment_means(x, own_segments(boundaries), count + 1)
    assert count % 16 == 0 and count >= len(expected)
    torch.testing.assert_close(means[0, : len(expected)].double(), torch.from_numpy(expected), rtol=1e-5, atol=1e-6)
    assert sizes[0, : len(expected)].tolist() == [len(tokens) for tokens in whole_segments(np.array(row))]
    assert not means[0, len(expected) + 1 :].any() and not sizes[0, len(expected) + 1 :].any()


@given(rows)
def test_a_token_reads_the_last_segment_that_is_closed(row):
    assert closed_segments(torch.tensor([row]))[0].tolist() == closed_before(np.array(row))


def test_what_opens_a_segment_is_its_only_token():
    boundaries = torch.tensor([[True, False, False, True, True, False]])
    segments = opened_segments(boundaries)
    assert segments.tolist() == [[0, NO_SEGMENT, NO_SEGMENT, 1, 2, NO_SEGMENT]]
    x = vectors(1, 6, 4)
    means, sizes = segment_means(x, segments, 4)
    assert torch.equal(means[0, :3], x[0, [0, 3, 4]])
    assert sizes.tolist() == [[1, 1, 1, 0]]


HAND_MADE = {
    "words": [[0, 0, 1, 0, 1, 0, 0], [1, 0, 0, 1, 0, 0, 1]],
    "one_in_a_batch": [[0, 1, 0, 0, 1]],
    "every_token": [[1, 1, 1, 1]],
    "the_first_and_the_last": [[1, 0, 0, 1], [0, 0, 0, 1]],
    "one_row_without": [[0, 0, 0, 0, 0], [0, 1, 0, 0, 0]],
}


@pytest.mark.parametrize("rows_of", HAND_MADE.values(), ids=HAND_MADE)
def test_shortened_and_spread_is_what_the_reference_computes(rows_of):
    boundaries = torch.tensor(rows_of, dtype=torch.bool)
    x, null = vectors(*boundaries.shape, 3), torch.tensor([7.0, 8.0, 9.0])
    short, again = dynamic_pooling(x.numpy(), boundaries.numpy(), null.numpy())
    means, _ = segment_means(x, own_segments(boundaries), int(boundaries.sum(1).max()))
    ours = torch.cat([null.expand(len(x), 1, 3), means], dim=1)
    np.testing.assert_allclose(ours, short, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(spread(ours, closed_segments(boundaries)), again, rtol=1e-6, atol=1e-6)


def test_a_case_by_hand():
    """a b | c | d: the open segment (d) is dropped, and nobody reads the segment that it is in before it is closed."""
    boundaries = torch.tensor([[False, True, True, False]])
    x = torch.tensor([[[1.0], [3.0], [10.0], [50.0]]])
    means, sizes = segment_means(x, own_segments(boundaries), 2)
    assert means.flatten().tolist() == [2.0, 10.0] and sizes.tolist() == [[2, 1]]
    read = spread(torch.cat([torch.tensor([[[-1.0]]]), means], dim=1), closed_segments(boundaries))
    assert read.flatten().tolist() == [-1.0, 2.0, 10.0, 10.0]


@given(st.lists(st.lists(st.booleans(), min_size=12, max_size=12), min_size=1, max_size=5), st.integers(0, 20))
def test_batch_mates_and_padding_change_no_bit(batch, padding):
    boundaries, x = torch.tensor(batch), vectors(len(batch), 12, 3)
    together, sizes = segment_means(x, own_segments(boundaries), 16)
    for row in range(len(batch)):
        padded_x = torch.cat([x[row : row + 1], vectors(1, padding, 3)], dim=1)
        numbers = own_segments(boundaries[row : row + 1])
        padded = torch.cat([numbers, torch.full((1, padding), NO_SEGMENT)], dim=1)
        alone, alone_sizes = segment_means(padded_x, padded, 32)
        assert torch.equal(alone[0, :16], together[row]) and torch.equal(alone_sizes[0, :16], sizes[row])


def test_sums_are_exact_to_fp32_where_the_vectors_are_bf16():
    x = torch.full((1, 1000, 1), 1.0, dtype=torch.bfloat16)
    means, sizes = segment_means(x, torch.zeros(1, 1000, dtype=torch.long), 1)
    assert means.dtype == torch.bfloat16
    assert means.item() == 1.0 and sizes.item() == 1000, "a sum in bf16 stops at 256"


def test_gradients_are_those_of_the_products():
    boundaries = torch.rand(3, 20, generator=torch.Generator().manual_seed(1)) < 0.3
    x = vectors(3, 20, 4).double().requires_grad_()
    wanted = vectors(3, 20, 4).double()
    count = int(boundaries.sum(1).max())

    def by_products() -> torch.Tensor:
        own = (own_segments(boundaries)[..., None] == torch.arange(count)).double()
        short = torch.einsum("bld,bls->bsd", x, own / own.sum(1, keepdim=True).clamp(min=1))
        read = (closed_segments(boundaries)[..., None] == torch.arange(1, count + 1)).double()
        return torch.einsum("bsd,bls->bld", short, read)

    means, _ = segment_means(x, own_segments(boundaries), count)
    ours = spread(torch.cat([torch.zeros(3, 1, 4, dtype=torch.float64), means], 1), closed_segments(boundaries))
    gradients = [torch.autograd.grad((out * wanted).sum(), x)[0] for out in (ours, by_products())]
    torch.testing.assert_close(gradients[0], gradients[1])


@given(rows, st.integers(0, 10))
def test_a_budget_keeps_the_first_boundaries(row, most):
    kept = within_budget(torch.tensor([row]), most)[0].tolist()
    places = [place for place, boundary in enumerate(row) if boundary][:most]
    assert [place for place, boundary in enumerate(kept) if boundary] == places


@given(st.integers(1, 12), st.integers(0, 1000))
def test_exactly_so_many_segments_at_the_largest_logits(count, seed):
    logits = torch.randn(3, 12, generator=torch.Generator().manual_seed(seed))
    boundaries = strongest_boundaries(logits, count)
    for row in range(3):
        largest = sorted(range(11), key=lambda token: -float(logits[row, token]))[: count - 1]
        assert [t for t in range(12) if boundaries[row, t]] == [*sorted(largest), 11]
        assert torch.equal(boundaries[row], strongest_boundaries(logits[row : row + 1], count)[0])
    _, sizes = segment_means(logits[..., None], own_segments(boundaries), count)
    assert (sizes > 0).all() and (sizes.sum(1) == 12).all(), "no token is lost, not even the last corner"


def test_the_bias_weighs_by_size_and_hides_what_is_empty():
    assert size_bias(torch.tensor([[1, 4, 0]])).flatten().tolist() == pytest.approx([0.0, np.log(4), -np.inf])
    keys, query, values = vectors(1, 1, 3, 8), vectors(1, 1, 2, 8), vectors(1, 1, 3, 5)
    by_size = torch.nn.functional.scaled_dot_product_attention(
        query, keys, values, size_bias(torch.tensor([[1, 3, 0]]))
    )
    tokens = [0, 1, 1, 1]
    each = torch.nn.functional.scaled_dot_product_attention(query, keys[:, :, tokens], values[:, :, tokens])
    torch.testing.assert_close(by_size, each, msg="three equal tokens weigh as one segment of size three")


def test_more_segments_than_tokens_and_numbers_of_other_texts_are_refused():
    with pytest.raises(ShapeError, match="5 segments were asked for and there are 4 tokens.*Ask for 1 to 4"):
        strongest_boundaries(torch.zeros(1, 4), 5)
    with pytest.raises(ShapeError, match="0 segments"):
        strongest_boundaries(torch.zeros(1, 4), 0)
    with pytest.raises(ShapeError, match=r"\(1, 3\) numbers of segments for \(1, 4\) tokens"):
        segment_means(torch.zeros(1, 4, 2), torch.zeros(1, 3, dtype=torch.long), 2)
