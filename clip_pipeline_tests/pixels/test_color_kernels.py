"""Changes of colour against their formulas."""

from __future__ import annotations

import numpy as np
import pytest

from clip_pipeline.pixels.color_kernels import jitter_colours, saturate_colours


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize(("contrast", "brightness"), [(0.0, 20.0), (0.5, 0.0), (-0.3, -40.0)])
def test_colours_change_as_the_formula_says(contrast, brightness):
    image = noise(9, 11)
    expected = (image - image.mean()) * (1 + contrast) + image.mean() + brightness
    jitter_colours(image, contrast, brightness)
    assert np.abs(image - np.clip(expected, 0, 255)).max() <= 0.5 + 1e-9


@pytest.mark.parametrize("saturation", [0.0, 0.6, 1.7])
def test_colours_move_away_from_their_grey(saturation):
    image = noise(9, 11)
    grey = image.mean(-1, keepdims=True)
    expected = grey + (image - grey) * saturation
    saturate_colours(image, saturation)
    assert np.abs(image - np.clip(expected, 0, 255)).max() <= 0.5 + 1e-9
