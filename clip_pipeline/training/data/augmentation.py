"""How a step's images are varied: cropped, mirrored, their colours changed; a pure function of (seed, step).

Done on bytes, in the threads that read the images. Scaling is Pillow's bicubic, to the bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from clip_pipeline.pixels.resize import AS_PILLOW
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
    """How strongly a training varies what it sees; without arguments, not at all.

    crop_scale: smallest area of the random crop, 1 is no crop. color_jitter: largest change of brightness, contrast and
    saturation. grayscale_prob, random_erasing_prob: shares of the images that become grey, and of which a rectangle is
    covered. mixup_alpha: images are laid over one another with a share drawn from Beta(mixup_alpha, mixup_alpha).
    token_dropout: share of the captions' tokens that are left out.
    """

    crop_scale: float = 1.0
    flip: bool = False
    color_jitter: float = 0.0
    grayscale_prob: float = 0.0
    random_erasing_prob: float = 0.0
    mixup_alpha: float = 0.0
    token_dropout: float = 0.0

    def draw_images(self, seed: int, step: int, images: int) -> DrawnAugmentation | None:
        """What happens to each image of a step; see `draw_augmentation`."""
        return draw_augmentation(
            seed,
            step,
            images,
            self.crop_scale,
            self.flip,
            self.color_jitter,
            self.grayscale_prob,
            self.random_erasing_prob,
        )


NO_AUGMENTATION = Augmentation()


@dataclass(frozen=True)
class DrawnAugmentation:
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
        """Makes `image`, (H, W, 3), of a stored one, of that size or larger, as the `place`-th of the batch."""
        height, width = stored.shape[:2]
        box = self.boxes[place] * np.array([width, height, width, height])
        if image.shape == stored.shape and box[0] == box[1] == 0 and box[2] == width and box[3] == height:
            image[...] = stored[:, ::-1] if self.mirrored[place] else stored
        else:
            resize_box(stored, box, image, bool(self.mirrored[place]))
        if self.contrast[place] or self.brightness[place]:
            from clip_pipeline.pixels.color_kernels import jitter_colours

            jitter_colours(image, self.contrast[place], self.brightness[place] * BRIGHTEST)
        if self.saturation[place] != 1:
            from clip_pipeline.pixels.color_kernels import saturate_colours

            saturate_colours(image, self.saturation[place])
        sides = np.array([image.shape[1], image.shape[0]] * 2)
        left, top, right, bottom = (self.covered[place] * sides).round().astype(int).tolist()
        if left < right and top < bottom:
            image[top:bottom, left:right] = COVER


def draw_augmentation(
    seed: int,
    step: int,
    images: int,
    scale: float = 1.0,
    flip: bool = False,
    jitter: float = 0.0,
    grayscale_prob: float = 0.0,
    random_erasing_prob: float = 0.0,
) -> DrawnAugmentation | None:
    """What happens to each image of a step's whole batch of `images`; None where they stay as they are.

    scale: smallest area of the crop. jitter: strength of the changes of colour. grayscale_prob, random_erasing_prob: shares of the images.
    """
    if scale == 1 and not any((flip, jitter, grayscale_prob, random_erasing_prob)):
        return None
    generator = generator_of(seed, AUGMENTATION, step)
    crops = generator.random((images, 4))
    mirrored = generator.random(images) < 0.5 if flip else np.zeros(images, dtype=bool)
    contrast, brightness = generator.uniform(-1, 1, (images, 2)).T[::-1] * jitter
    saturation = 1 + generator.uniform(-1, 1, images) * jitter
    saturation[generator.random(images) < grayscale_prob] = 0.0
    covered = covered_boxes(generator.random((images, 4)))
    covered[generator.random(images) >= random_erasing_prob] = 0.0
    return DrawnAugmentation(crop_boxes(crops, scale), mirrored, contrast, brightness, saturation, covered)


def covered_boxes(draws: NDArray[np.float64]) -> NDArray[np.float64]:
    """Boxes of a sixth to half of the width and of the height, inside the image (random erasing, Zhong et al. 2020)."""
    sides = MIN_COVER + (MAX_COVER - MIN_COVER) * draws[:, :2]
    starts = draws[:, 2:] * (1 - sides)
    return np.concatenate([starts, starts + sides], axis=1)


def crop_boxes(draws: NDArray[np.float64], smallest: float) -> NDArray[np.float64]:
    """Boxes of area `smallest`..1 and a moderate aspect, inside the image. draws: (B, 4) in 0..1. See `DrawnAugmentation.boxes`."""
    area = smallest + (1 - smallest) * draws[:, 0]
    steepest = np.minimum(np.log(MAX_ASPECT), -np.log(area))  # no side may be longer than the image's
    aspect = np.exp((2 * draws[:, 1] - 1) * steepest)
    sides = np.minimum(np.sqrt(np.stack([area * aspect, area / aspect], axis=1)), 1.0)
    starts = draws[:, 2:] * (1 - sides)
    return np.concatenate([starts, np.minimum(starts + sides, 1.0)], axis=1)


def resize_box(stored: np.ndarray, box: NDArray[np.float64], image: np.ndarray, mirrored: bool = False) -> None:
    """Fills `image`, (H, W, 3) uint8, with a box of `stored`, in its pixels, as Pillow's resize(BICUBIC, box) does."""
    from clip_pipeline.pixels.resize_kernels import resample

    height, width = image.shape[:2]
    resample(stored, box, np.array([width, height, 0, 0]), image, mirrored, AS_PILLOW)
