"""What a scene is, and how scenes are drawn by lot.

A scene is a list of facts: an object with a colour, a size and a pose, perhaps a second object beside, above or below
it, a background, a light, some grain. `captions.py` says the facts in words, `render.py` draws them.

Everything comes from `random.Random.random`, whose sequence for a seed Python guarantees on every machine and version.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

OBJECTS = ("ball", "boat", "car", "cup", "fish", "flower", "house", "key", "lamp", "star", "tree", "umbrella")
COLOURS = ("black", "blue", "brown", "green", "orange", "pink", "purple", "red", "white", "yellow")
SIZES = ("small", "large")
RELATIONS = ("left", "right", "above", "below")
BACKGROUNDS = ("beach", "brick", "forest", "grass", "night", "snow", "studio", "water", "wood")
LIGHTS = ("plain", "bright", "dim", "warm", "spot")

HELD_OUT_PER_OBJECT = 3
"""Colours in which an object never occurs in a searchable photo: 12 x 3 = 36 of 120 combinations, 30 %."""

SECOND_OBJECT_SHARE = 0.5

# Hue in degrees, saturation and value: ranges that do not overlap, so that each colour has one right name.
HSV_RANGES = {
    "black": ((0, 360), (0.0, 0.12), (0.06, 0.14)),
    "blue": ((212, 232), (0.72, 0.92), (0.65, 0.92)),
    "brown": ((20, 27), (0.60, 0.75), (0.34, 0.46)),
    "green": ((108, 142), (0.60, 0.88), (0.45, 0.68)),
    "orange": ((24, 32), (0.88, 1.0), (0.93, 1.0)),
    "pink": ((326, 342), (0.34, 0.48), (0.95, 1.0)),
    "purple": ((268, 286), (0.50, 0.75), (0.48, 0.68)),
    "red": ((-6, 5), (0.80, 0.95), (0.72, 0.92)),
    "white": ((0, 360), (0.0, 0.04), (0.95, 1.0)),
    "yellow": ((51, 57), (0.75, 0.95), (0.93, 1.0)),
}

# Largest tilt either way in degrees. A house leans little, a ball lies as it fell.
TILT = {"ball": 180, "fish": 30, "key": 35, "star": 14, "flower": 20, "umbrella": 18, "boat": 10, "car": 8}
OTHER_TILT = 8
MIRRORED = ("boat", "car", "cup", "fish", "house", "key", "lamp")

Combination = tuple[str, str]
"""(object, colour)"""


@dataclass(frozen=True)
class Thing:
    """One object of a scene. Lengths are fractions of the side of the image's central square, from its centre."""

    object: str
    colour: str
    rgb: tuple[int, int, int]
    x: float
    y: float
    radius: float
    stretch: float
    tilt: float
    mirrored: bool
    shape: tuple[float, float, float]
    """Three numbers in 0..1 that decide the form: the height of a roof, the number of petals, ..."""


@dataclass(frozen=True)
class Scene:
    """All facts of an image. `relation` is where `main` lies as seen from `second`; "" when there is no second."""

    main: Thing
    size: str
    second: Thing | None
    relation: str
    background: str
    light: str
    grain: float
    backdrop: int
    """Which part of the background's texture is seen, and which grain."""
    gain: float = 1.0
    """Brightness of the whole image; near-duplicates differ in it."""
    zoom: float = 1.0

    @property
    def combinations(self) -> list[Combination]:
        """(object, colour) of each thing in the scene."""
        return [(thing.object, thing.colour) for thing in (self.main, self.second) if thing is not None]


def pick(rng: random.Random, choices: Sequence):
    """One of the choices, each as likely."""
    return choices[int(rng.random() * len(choices))]


def between(rng: random.Random, low: float, high: float) -> float:
    """A number from low to high."""
    return low + (high - low) * rng.random()


def shuffled(rng: random.Random, items: Sequence) -> list:
    """The items in an order drawn by lot (Fisher-Yates on `random()` alone)."""
    result = list(items)
    for last in range(len(result) - 1, 0, -1):
        other = int(rng.random() * (last + 1))
        result[last], result[other] = result[other], result[last]
    return result


def split_combinations(seed: int) -> tuple[list[Combination], list[Combination]]:
    """(seen, unseen) combinations of the world of this seed, each sorted.

    Every object misses `HELD_OUT_PER_OBJECT` colours, and every colour misses three or four objects, so that each word
    alone is learnt from many photos.
    """
    rng = random.Random(f"combinations {seed}")
    colours, objects = shuffled(rng, COLOURS), shuffled(rng, OBJECTS)
    unseen = set()
    for place, name in enumerate(objects):
        for step in range(HELD_OUT_PER_OBJECT):
            unseen.add((name, colours[(HELD_OUT_PER_OBJECT * place + step) % len(colours)]))
    everything = [(name, colour) for name in OBJECTS for colour in COLOURS]
    return [c for c in everything if c not in unseen], sorted(unseen)


def sample_rgb(rng: random.Random, colour: str) -> tuple[int, int, int]:
    """A shade that goes by the colour's name."""
    import colorsys

    hue, saturation, value = (between(rng, low, high) for low, high in HSV_RANGES[colour])
    red, green, blue = colorsys.hsv_to_rgb(hue / 360 % 1.0, saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255)


def sample_scene(rng: random.Random, main: Combination, seconds: Sequence[Combination]) -> Scene:
    """A scene with `main` in it; the second object, if any, is one of `seconds` (empty: always alone)."""
    size = pick(rng, SIZES)
    relation, second = "", None
    if seconds and rng.random() < SECOND_OBJECT_SHARE:
        relation = pick(rng, RELATIONS)
        others = [combination for combination in seconds if combination[0] != main[0]]
        x, y = _place_beside(rng, relation)
        radius = between(rng, 0.17, 0.185) if size == "small" else between(rng, 0.25, 0.27)
        first = _sample_thing(rng, main, x, y, radius)
        second = _sample_thing(rng, pick(rng, others), -x, -y, between(rng, 0.19, 0.22))
    else:
        radius = between(rng, 0.28, 0.32) if size == "small" else between(rng, 0.40, 0.44)
        room = 0.46 - radius
        first = _sample_thing(rng, main, between(rng, -room, room), between(rng, -room, room), radius)
    return Scene(
        main=first,
        size=size,
        second=second,
        relation=relation,
        background=pick(rng, BACKGROUNDS),
        light=pick(rng, LIGHTS),
        grain=round(rng.random() ** 2, 3),
        backdrop=int(rng.random() * 1_000_000),
    )


def near_duplicate(rng: random.Random, scene: Scene) -> Scene:
    """The same scene a little brighter or darker and a little closer."""
    return replace(scene, gain=round(between(rng, 0.95, 1.05), 3), zoom=round(between(rng, 1.0, 1.02), 3))


def _place_beside(rng: random.Random, relation: str) -> tuple[float, float]:
    along, across = between(rng, 0.22, 0.245), between(rng, -0.05, 0.05)
    return {
        "left": (-along, across),
        "right": (along, across),
        "above": (across, -along),
        "below": (across, along),
    }[relation]


def _sample_thing(rng: random.Random, combination: Combination, x: float, y: float, radius: float) -> Thing:
    name, colour = combination
    tilt = TILT.get(name, OTHER_TILT)
    return Thing(
        object=name,
        colour=colour,
        rgb=sample_rgb(rng, colour),
        x=round(x, 4),
        y=round(y, 4),
        radius=round(radius, 4),
        stretch=round(between(rng, 0.9, 1.1), 3),
        tilt=round(between(rng, -tilt, tilt), 1),
        mirrored=name in MIRRORED and rng.random() < 0.5,
        shape=(round(rng.random(), 3), round(rng.random(), 3), round(rng.random(), 3)),
    )
