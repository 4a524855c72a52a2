"""The inner loops that change an image's colours, compiled once a machine. Imported inside functions: numba takes a third of a second."""

from __future__ import annotations

import functools

import numpy as np
from numba import float64, int32, njit, uint8, void

from clip_pipeline.machine.numba_cache import cached


@cached(functools.partial(njit, void(uint8[:, :, ::1], float64, float64), nogil=True, boundscheck=False))
def jitter_colours(image, contrast, brightness):
    """Stretches the values around their mean by 1 + contrast and adds `brightness` (in values of 0 to 255), in place."""
    flat = image.reshape(image.size)
    total = 0
    for i in range(flat.size):
        total += flat[i]
    centre = total / flat.size
    turned = np.empty(256, np.uint8)
    for value in range(256):
        turned[value] = int(min(max((value - centre) * (1 + contrast) + centre + brightness + 0.5, 0.0), 255.0))
    for i in range(flat.size):
        flat[i] = turned[flat[i]]


@cached(functools.partial(njit, void(uint8[:, :, ::1], float64), nogil=True, boundscheck=False))
def saturate_colours(image, saturation):
    """Moves each colour away from the pixel's grey, the mean of the three, by the factor `saturation`, in place; 0 is grey."""
    for y in range(image.shape[0]):
        for x in range(image.shape[1]):
            grey = (int32(image[y, x, 0]) + int32(image[y, x, 1]) + int32(image[y, x, 2])) / 3
            for colour in range(3):
                value = grey + (image[y, x, colour] - grey) * saturation
                image[y, x, colour] = int(min(max(value + 0.5, 0.0), 255.0))
