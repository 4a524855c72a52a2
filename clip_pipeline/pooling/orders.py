"""Orders in which the tokens of a grid are read as a sequence: row by row, to and fro, or along Hilbert's curve.

Segments are stretches of a sequence. Row by row, the end of a row and the beginning of the next are neighbours in it and far
apart in the image; to and fro they touch; along Hilbert's curve a stretch is a patch rather than a line.
"""

from __future__ import annotations

import numpy as np

from clip_pipeline.errors import SettingsError, nearest_name

RASTER, SERPENTINE, HILBERT = "raster", "serpentine", "hilbert"
ORDERS = (RASTER, SERPENTINE, HILBERT)


def grid_order(name: str, rows: int, columns: int) -> np.ndarray:
    """(rows · columns,) int64: the tokens, numbered row by row, in the order in which they are read.

    Raises SettingsError for an unknown order, and for one that the grid does not allow: Hilbert's curve fills squares of a power of two.
    """
    grid = np.arange(rows * columns, dtype=np.int64).reshape(rows, columns)
    if name == RASTER:
        return grid.ravel()
    if name == SERPENTINE:
        grid[1::2] = grid[1::2, ::-1]
        return grid.ravel()
    if name != HILBERT:
        raise SettingsError(f'There is no order "{name}". {nearest_name(name, ORDERS)}')
    if rows != columns or rows & (rows - 1) or rows < 1:
        raise SettingsError(
            f"The order hilbert fits square grids of 2, 4, 8, 16, … tokens a side, and this one has {rows} × {columns}. Take serpentine, "
            "or another image or patch size."
        )
    return _hilbert(grid)


def inverse_order(order: np.ndarray) -> np.ndarray:
    """Where in the sequence each token of the grid, numbered row by row, is."""
    inverse = np.empty_like(order)
    inverse[order] = np.arange(len(order))
    return inverse


def _hilbert(grid: np.ndarray) -> np.ndarray:
    """The curve through the upper left quarter, then the upper right, lower right and lower left one, the first and the last turned so that the ends meet."""
    side = len(grid) // 2
    if not side:
        return grid.ravel()
    quarters = (grid[:side, :side].T, grid[:side, side:], grid[side:, side:], grid[side:, :side].T[::-1, ::-1])
    return np.concatenate([_hilbert(quarter) for quarter in quarters])
