"""Windows, merging of alike tokens and dropped tokens, each against a loop."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from clip_pipeline.errors import SettingsError, ShapeError
from clip_pipeline.pooling.merging import kept_at_random, merge_alike, window_means
from clip_pipeline_tests.pooling.slow_reference import merged_by_loops


@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 3))
def test_windows_by_loops(rows, columns, side):
    x = torch.randn(2, rows * columns * side * side, 3, generator=torch.Generator().manual_seed(rows))
    means, sizes = window_means(x, rows * side, columns * side, side)
    grid = x.view(2, rows * side, columns * side, 3)
    for row in range(rows):
        for column in range(columns):
            window = grid[:, row * side : (row + 1) * side, column * side : (column + 1) * side]
            torch.testing.assert_close(means[:, row * columns + column], window.flatten(1, 2).mean(1))
    assert sizes.shape == means.shape[:2] and (sizes == side * side).all()


def test_windows_that_do_not_fit_are_refused():
    with pytest.raises(SettingsError, match="Windows of 2 × 2 tokens do not fit a grid of 7 × 8"):
        window_means(torch.zeros(1, 56, 3), 7, 8)
    with pytest.raises(ShapeError, match="50 tokens for a grid of 7 × 8"):
        window_means(torch.zeros(1, 50, 3), 7, 8)


@given(st.integers(0, 1000), st.integers(2, 24), st.data())
def test_merging_by_loops(seed, length, data):
    count = data.draw(st.integers(1, length))
    rng = np.random.default_rng(seed)
    x, features = rng.normal(size=(length, 3)), rng.normal(size=(length, 5))
    sizes = rng.integers(1, 4, length)
    expected, expected_sizes = merged_by_loops(x, sizes, features, count)
    ours, our_sizes = merge_alike(*(torch.from_numpy(a)[None] for a in (x, sizes, features)), count)
    assert our_sizes[0].tolist() == expected_sizes.tolist()
    np.testing.assert_allclose(ours[0], expected, atol=1e-6)


def test_the_likest_are_merged_weighted_by_what_they_stand_for():
    x = torch.tensor([[[1.0, 0.0], [1.0, 0.1], [0.0, 1.0], [-1.0, 0.0]]])
    merged, sizes = merge_alike(x, torch.tensor([[3, 1, 1, 1]]), x, 3)
    torch.testing.assert_close(merged, torch.tensor([[[1.0, 0.025], [0.0, 1.0], [-1.0, 0.0]]]))
    assert sizes.tolist() == [[4, 1, 1]]


def test_batch_mates_change_nothing_and_the_mean_of_all_stays():
    x = torch.randn(5, 64, 6, generator=torch.Generator().manual_seed(0)).double()
    ones = torch.ones(5, 64, dtype=torch.long)
    together, sizes = merge_alike(x, ones, x, 16)
    assert together.shape == (5, 16, 6) and (sizes.sum(1) == 64).all()
    torch.testing.assert_close((together * sizes[..., None]).sum(1), x.sum(1))
    for row in range(5):
        alone, alone_sizes = merge_alike(x[row : row + 1], ones[:1], x[row : row + 1], 16)
        assert torch.equal(alone_sizes[0], sizes[row])
        torch.testing.assert_close(alone[0], together[row], rtol=0, atol=1e-12)


def test_dropping_keeps_the_smallest_draws_in_order():
    uniform = torch.tensor([[0.9, 0.1, 0.5, 0.3], [0.0, 0.2, 0.1, 0.3]])
    assert kept_at_random(uniform, 2).tolist() == [[1, 3], [0, 2]]


def test_more_tokens_than_there_are_is_refused():
    x, sizes = torch.zeros(1, 4, 2), torch.ones(1, 4, dtype=torch.long)
    with pytest.raises(ShapeError, match="5 tokens were asked for and there are 4.*Ask for 1 to 4"):
        merge_alike(x, sizes, x, 5)
    with pytest.raises(ShapeError, match="5 tokens were to be kept and there are 4"):
        kept_at_random(torch.zeros(1, 4), 5)
