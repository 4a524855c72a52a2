"""The backgrounds, drawn once for each size and kept: one wide panorama, of which each scene shows a part.

Muted colours, so that the objects stand out; no two alike at 48 pixels.
"""

from __future__ import annotations

import random
from functools import lru_cache

from PIL import Image, ImageDraw

from clip_pipeline.sandbox.scenes import between

PANORAMA = 3
"""A backdrop is this many times as wide as the image."""


@lru_cache(maxsize=256)
def panorama(name: str, width: int, height: int) -> Image.Image:
    """The backdrop for images of width x height pixels: an RGB image PANORAMA times as wide."""
    image = Image.new("RGB", (width * PANORAMA, height))
    _PAINTERS[name](ImageDraw.Draw(image), width * PANORAMA, height, random.Random(f"backdrop {name}"))
    return image


def _gradient(draw: ImageDraw.ImageDraw, width: int, top: float, bottom: float, first, last) -> None:
    """Rows from `top` to `bottom` pixels, shading from the first colour to the last."""
    rows = max(int(bottom) - int(top), 1)
    for row in range(rows):
        share = row / rows
        colour = tuple(int(a + (b - a) * share) for a, b in zip(first, last, strict=True))
        draw.line([(0, int(top) + row), (width, int(top) + row)], fill=colour)


def _paint_studio(draw, width, height, rng) -> None:
    _gradient(draw, width, 0, height * 0.7, (196, 196, 198), (216, 216, 216))
    _gradient(draw, width, height * 0.7, height, (178, 178, 180), (160, 160, 162))


def _paint_grass(draw, width, height, rng) -> None:
    horizon = height * 0.35
    _gradient(draw, width, 0, horizon, (176, 204, 226), (214, 228, 236))
    _gradient(draw, width, horizon, height, (128, 164, 104), (104, 146, 84))
    for _ in range(700):
        x, y = between(rng, 0, width), between(rng, horizon, height)
        length = height * between(rng, 0.03, 0.07)
        shade = int(between(rng, 70, 150))
        draw.line(
            [(x, y), (x + length * between(rng, -0.4, 0.4), y - length)], fill=(shade - 6, shade + 36, shade - 24)
        )


def _paint_beach(draw, width, height, rng) -> None:
    _gradient(draw, width, 0, height * 0.28, (188, 216, 232), (216, 232, 238))
    _gradient(draw, width, height * 0.28, height * 0.45, (96, 150, 172), (128, 176, 190))
    _gradient(draw, width, height * 0.45, height, (224, 206, 166), (208, 186, 142))
    draw.rectangle([0, height * 0.44, width, height * 0.46], fill=(240, 244, 244))
    for _ in range(500):
        x, y = between(rng, 0, width), between(rng, height * 0.48, height)
        dot = max(height * 0.006, 0.5)
        draw.ellipse([x - dot, y - dot, x + dot, y + dot], fill=(190, 168, 124))


def _paint_night(draw, width, height, rng) -> None:
    _gradient(draw, width, 0, height, (22, 26, 52), (44, 48, 82))
    for _ in range(90):
        x, y, dot = between(rng, 0, width), between(rng, 0, height), height * between(rng, 0.004, 0.011)
        draw.ellipse([x - dot, y - dot, x + dot, y + dot], fill=(222, 222, 206))
    for moon in (0.2, 0.55, 0.88):
        x, y, disc = width * moon, height * 0.12, height * 0.06
        draw.ellipse([x - disc, y - disc, x + disc, y + disc], fill=(228, 226, 206))


def _paint_brick(draw, width, height, rng) -> None:
    draw.rectangle([0, 0, width, height], fill=(196, 186, 176))
    rows = 9
    tall, long = height / rows, height / rows * 2.2
    gap = tall * 0.1
    for row in range(rows):
        x = -long * (0.5 if row % 2 else 1.0)
        while x < width:
            shade = between(rng, -14, 14)
            colour = (int(158 + shade), int(112 + shade), int(98 + shade))
            draw.rectangle([x + gap, row * tall + gap, x + long - gap, (row + 1) * tall - gap], fill=colour)
            x += long


def _paint_water(draw, width, height, rng) -> None:
    _gradient(draw, width, 0, height, (120, 172, 192), (62, 116, 146))
    for _ in range(260):
        x, y, long = between(rng, 0, width), between(rng, 0, height), height * between(rng, 0.06, 0.16)
        colour = (170, 206, 216) if rng.random() < 0.6 else (70, 124, 152)
        draw.arc([x, y, x + long, y + long * 0.5], 200, 340, fill=colour, width=max(round(height / 96), 1))


def _paint_snow(draw, width, height, rng) -> None:
    _gradient(draw, width, 0, height * 0.6, (168, 182, 202), (200, 212, 226))
    for hill in range(7):
        x, wide = width * (hill + between(rng, 0, 1)) / 7, width * 0.13
        draw.ellipse([x - wide, height * 0.32, x + wide, height * 1.2], fill=(226, 232, 240))
    _gradient(draw, width, height * 0.55, height, (230, 236, 243), (214, 222, 234))
    for _ in range(200):
        x, y, dot = between(rng, 0, width), between(rng, 0, height), height * between(rng, 0.006, 0.014)
        draw.ellipse([x - dot, y - dot, x + dot, y + dot], fill=(250, 251, 253))


def _paint_wood(draw, width, height, rng) -> None:
    planks = 5
    for plank in range(planks):
        shade = between(rng, -12, 12)
        top = height * plank / planks
        colour = (int(186 + shade), int(158 + shade), int(122 + shade))
        draw.rectangle([0, top, width, height * (plank + 1) / planks], fill=colour)
        for _ in range(8):
            y = top + height / planks * rng.random()
            x = width * rng.random()
            draw.line([(x, y), (x + width * 0.25, y + height * 0.01)], fill=(164, 136, 100))
        draw.line([(0, top), (width, top)], fill=(112, 90, 64), width=max(round(height / 72), 1))


def _paint_forest(draw, width, height, rng) -> None:
    _gradient(draw, width, 0, height * 0.75, (150, 172, 158), (120, 142, 122))
    _gradient(draw, width, height * 0.75, height, (92, 98, 74), (76, 80, 60))
    for trunk in range(26):
        x, wide = width * (trunk + rng.random()) / 26, height * between(rng, 0.02, 0.05)
        shade = int(between(rng, 62, 92))
        draw.rectangle([x - wide, 0, x + wide, height * between(rng, 0.72, 0.84)], fill=(shade, shade - 8, shade - 16))


_PAINTERS = {
    "beach": _paint_beach,
    "brick": _paint_brick,
    "forest": _paint_forest,
    "grass": _paint_grass,
    "night": _paint_night,
    "snow": _paint_snow,
    "studio": _paint_studio,
    "water": _paint_water,
    "wood": _paint_wood,
}
