"""Orders over a grid: written out by hand, and their properties on grids of any size."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clip_pipeline.errors import SettingsError
from clip_pipeline.pooling.orders import ORDERS, grid_order, inverse_order


def steps(order: np.ndarray, columns: int) -> np.ndarray:
    """How far apart, in rows plus columns, the tokens that follow each other are."""
    row, column = np.divmod(order, columns)
    return np.abs(np.diff(row)) + np.abs(np.diff(column))


def test_by_hand():
    assert grid_order("raster", 2, 3).tolist() == [0, 1, 2, 3, 4, 5]
    assert grid_order("serpentine", 3, 3).tolist() == [0, 1, 2, 5, 4, 3, 6, 7, 8]
    assert grid_order("hilbert", 2, 2).tolist() == [0, 1, 3, 2]
    assert grid_order("hilbert", 4, 4).tolist() == [0, 4, 5, 1, 2, 3, 7, 6, 10, 11, 15, 14, 13, 9, 8, 12]


@given(st.sampled_from(["raster", "serpentine"]), st.integers(1, 20), st.integers(1, 20))
def test_every_token_stands_once_and_the_inverse_brings_it_back(name, rows, columns):
    order = grid_order(name, rows, columns)
    assert sorted(order.tolist()) == list(range(rows * columns))
    assert np.array_equal(order[inverse_order(order)], np.arange(rows * columns))
    if name == "serpentine":
        assert (steps(order, columns) == 1).all()


@pytest.mark.parametrize("side", [1, 2, 4, 8, 16, 32])
def test_hilberts_curve_fills_a_square_in_steps_of_one_and_stretches_of_it_are_patches(side):
    order = grid_order("hilbert", side, side)
    assert sorted(order.tolist()) == list(range(side * side))
    assert (steps(order, side) == 1).all()
    for quarter in order.reshape(4, -1) if side > 1 else ():
        row, column = np.divmod(quarter, side)
        assert max(np.ptp(row), np.ptp(column)) < side // 2, (
            "each quarter of the curve stays in a quarter of the square"
        )


def test_what_does_not_fit_is_refused_with_a_sentence():
    for rows, columns in ((14, 14), (4, 8), (7, 7), (6, 6)):
        with pytest.raises(SettingsError, match=f"square grids of 2, 4, 8.*has {rows} × {columns}.*serpentine"):
            grid_order("hilbert", rows, columns)
    with pytest.raises(SettingsError, match='no order "serpentin". Did you mean "serpentine"'):
        grid_order("serpentin", 4, 4)
    assert ORDERS == ("raster", "serpentine", "hilbert")
