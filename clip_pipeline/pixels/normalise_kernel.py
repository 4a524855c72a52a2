"""Bytes to floats by a table, compiled once a machine. Imported inside functions: numba takes a third of a second."""

from __future__ import annotations

import functools

from numba import float32, int64, njit, uint8, void

from clip_pipeline.machine.numba_cache import cached


@cached(
    functools.partial(
        njit, void(uint8[::1], float32[:, ::1], float32[::1]), nogil=True, boundscheck=False, error_model="numpy"
    )
)
def look_up_pixels(pixels, table, target):
    """target[i] = table[colour of i, pixels[i]], for pixels of three colours each. table: (3, 256)."""
    red, green, blue = table[0], table[1], table[2]
    for i in range(int64(0), pixels.shape[0], 3):
        target[i] = red[pixels[i]]
        target[i + 1] = green[pixels[i + 1]]
        target[i + 2] = blue[pixels[i + 2]]
