"""Bytes to floats by a table, compiled once a machine. Imported inside functions: numba takes a third of a second."""

from __future__ import annotations

import functools

from numba import float32, int64, njit, uint8, void

from clip_pipeline.machine.numba_cache import cached

_loops = functools.partial(njit, nogil=True, boundscheck=False, error_model="numpy")


@cached(functools.partial(_loops, void(uint8[::1], float32[:, ::1], float32[::1])))
def look_up_colors_last(pixels, table, target):
    """target[i] = table[colour of i, pixels[i]], for pixels of three colours each. table: (3, 256)."""
    red, green, blue = table[0], table[1], table[2]
    for i in range(int64(0), pixels.shape[0], 3):
        target[i] = red[pixels[i]]
        target[i + 1] = green[pixels[i + 1]]
        target[i + 2] = blue[pixels[i + 2]]


@cached(functools.partial(_loops, void(uint8[:, :, ::1], float32[:, ::1], float32[:, :, ::1])))
def look_up_colors_first(image_HW3, table, pixels_3HW):
    """pixels[c, y, x] = table[c, image[y, x, c]]. table: (3, 256)."""
    for c in range(3):
        for y in range(image_HW3.shape[0]):
            for x in range(image_HW3.shape[1]):
                pixels_3HW[c, y, x] = table[c, image_HW3[y, x, c]]
