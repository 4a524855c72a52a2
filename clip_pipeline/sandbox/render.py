"""Draws a scene: backdrop, objects, light, grain.

About one millisecond for an image of 96 pixels, so that a loopback server can draw photos as they are asked for.
"""

from __future__ import annotations

import io
import math
from functools import lru_cache

import numpy as np
from PIL import Image, ImageChops, ImageDraw

from clip_pipeline.sandbox.backdrops import PANORAMA, panorama
from clip_pipeline.sandbox.scenes import Scene, Thing
from clip_pipeline.sandbox.shapes import Points, outline

SMOOTH_BELOW = 500
"""Images with a shorter side below this are drawn twice as large and halved, which smooths the edges."""

NEUTRAL_TINTS = {"steel": (104, 106, 110), "pale": (224, 228, 232), "ink": (48, 48, 52)}
# Red, green and blue factors, and a lift. Mild, so that a colour keeps its name in every light.
LIGHT_GAINS = {
    "plain": (1.0, 1.0, 1.0, 0),
    "bright": (1.08, 1.08, 1.06, 14),
    "dim": (0.7, 0.71, 0.75, 0),
    "warm": (1.08, 0.95, 0.79, 4),
    "spot": (1.06, 1.06, 1.04, 4),
}
GRAIN_LEVELS = 5


def render_scene(scene: Scene, width: int, height: int) -> Image.Image:
    """The scene as an RGB image of width x height pixels; all objects lie within the central square."""
    smooth = 2 if min(width, height) < SMOOTH_BELOW else 1
    wide, high = width * smooth, height * smooth
    backdrop = panorama(scene.background, wide, high)
    left = scene.backdrop % 997 * (wide * (PANORAMA - 1)) // 997
    image = backdrop.crop((left, 0, left + wide, high))
    if scene.backdrop % 2:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    draw = ImageDraw.Draw(image)
    for thing in (scene.second, scene.main):
        if thing is not None:
            _draw_thing(draw, thing, wide, high, scene.zoom)
    if smooth == 2:
        image = image.reduce(2)
    if scene.light == "spot":
        image = ImageChops.multiply(image, _spotlight(width, height))
    image = image.point(_light_table(scene.light, scene.gain))
    return _add_grain(image, scene)


def jpeg_bytes(image: Image.Image, quality: int = 85) -> bytes:
    """The image as a baseline JPEG."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def _draw_thing(draw: ImageDraw.ImageDraw, thing: Thing, wide: int, high: int, zoom: float) -> None:
    side = min(wide, high)
    scale = thing.radius * side * zoom
    centre_x, centre_y = wide / 2 + thing.x * side * zoom, high / 2 + thing.y * side * zoom
    turn = math.radians(thing.tilt)
    cos, sin = math.cos(turn) * scale, math.sin(turn) * scale
    flip = -thing.stretch if thing.mirrored else thing.stretch
    squash = 1 / thing.stretch

    def placed(points: Points) -> Points:
        # Two decimals: the last bits of sine and cosine differ between machines.
        return [
            (
                round(centre_x + x * flip * cos - y * squash * sin, 2),
                round(centre_y + x * flip * sin + y * squash * cos, 2),
            )
            for x, y in points
        ]

    parts = [(placed(points), _tint(thing.rgb, tint)) for points, tint in outline(thing.object, thing.shape)]
    edge = _edge_colour(thing.rgb)
    thick = max(round(side / 60), 2)
    for points, _ in parts:
        draw.line([*points, points[0]], fill=edge, width=thick)
    for points, colour in parts:
        draw.polygon(points, fill=colour)


def _tint(rgb: tuple[int, int, int], tint: str) -> tuple[int, int, int]:
    if tint in NEUTRAL_TINTS:
        return NEUTRAL_TINTS[tint]
    if tint == "base":
        return rgb
    goal, share = (0, 0.24) if tint == "dark" else (255, 0.3)
    red, green, blue = (int(part + (goal - part) * share) for part in rgb)
    return red, green, blue


def _edge_colour(rgb: tuple[int, int, int]) -> tuple[int, int, int]:
    """A dark edge, or a light one around dark colours: a black cup must be seen at night, a white one in snow."""
    brightness = 0.3 * rgb[0] + 0.59 * rgb[1] + 0.11 * rgb[2]
    goal, share = (0, 0.55) if brightness > 70 else (205, 0.62)
    red, green, blue = (int(part + (goal - part) * share) for part in rgb)
    return red, green, blue


@lru_cache(maxsize=512)
def _light_table(light: str, gain: float) -> list[int]:
    *factors, lift = LIGHT_GAINS[light]
    return [min(int(level * factor * gain + lift), 255) for factor in factors for level in range(256)]


@lru_cache(maxsize=64)
def _spotlight(width: int, height: int) -> Image.Image:
    """White in the middle, falling to a half at the corners of the central square."""
    side = min(width, height)
    x = (np.arange(width, dtype=np.float64) - (width - 1) / 2) / side
    y = (np.arange(height, dtype=np.float64) - (height - 1) / 2) / side
    distance = (x[None, :] ** 2 + y[:, None] ** 2) * 2
    level = np.clip(1.06 - 0.75 * distance, 0.3, 1.0)
    grey = Image.fromarray((level * 255).astype(np.uint8))
    return Image.merge("RGB", (grey, grey, grey))


@lru_cache(maxsize=64)
def _grain(width: int, height: int, level: int) -> Image.Image:
    """Noise around 128, twice as large as the image each way so that each scene takes another part of it."""
    noise = np.random.Generator(np.random.PCG64(level)).integers(-100, 101, (2 * height, 2 * width, 3))
    strength = 0.18 * level / GRAIN_LEVELS
    return Image.fromarray((128 + noise * strength).astype(np.uint8))


def _add_grain(image: Image.Image, scene: Scene) -> Image.Image:
    level = int(scene.grain * (GRAIN_LEVELS + 0.999))
    if level == 0:
        return image
    width, height = image.size
    left, top = scene.backdrop % width, scene.backdrop // 1009 % height
    noise = _grain(width, height, level).crop((left, top, left + width, top + height))
    return ImageChops.add(image, noise, 1, -128)
