"""The inner loop that makes a model's numbers of bytes, compiled once a machine. Imported inside functions: numba takes a third of a second."""

from __future__ import annotations

import functools

from numba import float32, njit, uint8, void

from clip_pipeline.machine.numba_cache import cached

_looking_up = functools.partial(
    njit,
    void(uint8[:, :, ::1], float32[:, ::1], float32[:, :, ::1]),
    nogil=True,
    boundscheck=False,
)


@cached(_looking_up)
def look_up(image_HW3, table, pixels_3HW):
    """pixels[c, y, x] = table[c, image[y, x, c]]. table: (3, 256), what each byte of each colour becomes."""
    for c in range(3):
        for y in range(image_HW3.shape[0]):
            for x in range(image_HW3.shape[1]):
                pixels_3HW[c, y, x] = table[c, image_HW3[y, x, c]]
