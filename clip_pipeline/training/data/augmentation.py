"""How a step's images are varied: cropped, mirrored, their colours changed; a pure function of (seed, step).

Done on bytes, in the threads that read the images. Scaling is Pillow's bicubic, to the bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from clip_pipeline.pixels.resize import AS_PILLOW
from clip_pipeline.settings import TrainingSettings
from clip_pipeline.training.randomness import AUGMENTATION, generator_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_ASPECT = 4 / 3
MIN_COVER, MAX_COVER = 1 / 6, 1 / 2
COVER = (123, 117, 104)
"""The mean colour of CLIP's normalisation, near nought in any model's."""
BRIGHTEST = 127.5
"""Values that a brightness of 1 adds."""


@dataclass(frozen=True)
class Augmentation:
    """Of a batch of B images. boxes: (B, 4) left, top, right, bottom as shares of the image. mirrored: (B,) bool.
    contrast, brightness: (B,), 0 for none. saturation: (B,), 1 as it is, 0 for grey. covered: (B, 4), the part under a rectangle,
    as boxes of the finished image; without area for none."""

    boxes: NDArray[np.float64]
    mirrored: NDArray[np.bool_]
    contrast: NDArray[np.float64]
    brightness: NDArray[np.float64]
    saturation: NDArray[np.float64]
    covered: NDArray[np.float64]

    def apply(self, place: int, stored: np.ndarray, image: np.ndarray) -> None:
        """Makes `image`, (S, S, 3), of a stored one, (side, side, 3), as the `place`-th of the batch."""
        box = self.boxes[place] * stored.shape[0]
        if image.shape == stored.shape and box[0] == box[1] == 0 and box[2] == box[3] == stored.shape[0]:
            image[...] = stored[:, ::-1] if self.mirrored[place] else stored
        else:
            resize_square(stored, box, image, bool(self.mirrored[place]))
        if self.contrast[place] or self.brightness[place]:
            from clip_pipeline.pixels.color_kernels import jitter_colours

            jitter_colours(image, self.contrast[place], self.brightness[place] * BRIGHTEST)
        if self.saturation[place] != 1:
            from clip_pipeline.pixels.color_kernels import saturate_colours

            saturate_colours(image, self.saturation[place])
        left, top, right, bottom = (self.covered[place] * image.shape[0]).round().astype(int).tolist()
        if left < right and top < bottom:
            image[top:bottom, left:right] = COVER


def draw_augmentation(settings: TrainingSettings, step: int) -> Augmentation | None:
    """What happens to each image of a step's whole batch; None where the settings leave the images as they are."""
    changes = (settings.flip, settings.color_jitter, settings.grayscale_prob, settings.random_erasing_prob)
    if settings.crop_scale == 1 and not any(changes):
        return None
    generator, count = generator_of(settings.seed, AUGMENTATION, step), settings.batch_size
    crops = generator.random((count, 4))
    mirrored = generator.random(count) < 0.5 if settings.flip else np.zeros(count, dtype=bool)
    contrast, brightness = generator.uniform(-1, 1, (count, 2)).T[::-1] * settings.color_jitter
    saturation = 1 + generator.uniform(-1, 1, count) * settings.color_jitter
    saturation[generator.random(count) < settings.grayscale_prob] = 0.0
    covered = covered_boxes(generator.random((count, 4)))
    covered[generator.random(count) >= settings.random_erasing_prob] = 0.0
    boxes = crop_boxes(crops, settings.crop_scale)
    return Augmentation(boxes, mirrored, contrast, brightness, saturation, covered)


def covered_boxes(draws: NDArray[np.float64]) -> NDArray[np.float64]:
    """Boxes of a sixth to half of the width and of the height, inside the image (random erasing, Zhong et al. 2020)."""
    sides = MIN_COVER + (MAX_COVER - MIN_COVER) * draws[:, :2]
    starts = draws[:, 2:] * (1 - sides)
    return np.concatenate([starts, starts + sides], axis=1)


def crop_boxes(draws: NDArray[np.float64], smallest: float) -> NDArray[np.float64]:
    """Boxes of area `smallest`..1 and a moderate aspect, inside the image. draws: (B, 4) in 0..1. See `Variation.boxes`."""
    area = smallest + (1 - smallest) * draws[:, 0]
    steepest = np.minimum(np.log(MAX_ASPECT), -np.log(area))  # no side may be longer than the image's
    aspect = np.exp((2 * draws[:, 1] - 1) * steepest)
    sides = np.minimum(np.sqrt(np.stack([area * aspect, area / aspect], axis=1)), 1.0)
    starts = draws[:, 2:] * (1 - sides)
    return np.concatenate([starts, np.minimum(starts + sides, 1.0)], axis=1)


def resize_square(stored: np.ndarray, box: NDArray[np.float64], image: np.ndarray, mirrored: bool = False) -> None:
    """Fills `image`, (S, S, 3) uint8, with a box of `stored`, in its pixels, as Pillow's resize(BICUBIC, box) does."""
    from clip_pipeline.pixels.resize_kernels import resample

    side = image.shape[0]
    resample(stored, box, np.array([side, side, 0, 0]), image, mirrored, AS_PILLOW)
