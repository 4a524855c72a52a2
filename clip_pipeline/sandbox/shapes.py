"""The outlines of the twelve objects.

`outline(object, shape)` gives polygons in the object's own coordinates: x to the right, y down, all within about one
unit of the origin. Each polygon has a tint: how the object's colour is changed for that part (base, dark, light), or a
neutral grey that belongs to every colour (wheels, windows, stems), so that only one colour can name the object.
"""

from __future__ import annotations

import math

Points = list[tuple[float, float]]
Part = tuple[Points, str]


def outline(name: str, shape: tuple[float, float, float]) -> list[Part]:
    """The parts of an object, hindmost first. shape: three numbers in 0..1 that vary the form."""
    return _OUTLINES[name](*shape)


def _ellipse(x: float, y: float, rx: float, ry: float, corners: int = 20, start: float = 0.0) -> Points:
    step = 2 * math.pi / corners
    return [(x + rx * math.cos(start + step * i), y + ry * math.sin(start + step * i)) for i in range(corners)]


def _box(left: float, top: float, right: float, bottom: float) -> Points:
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def _arc(x: float, y: float, rx: float, ry: float, first: float, last: float, corners: int = 10) -> Points:
    """Points of an elliptic arc, angles in degrees clockwise from the right."""
    angles = [math.radians(first + (last - first) * i / (corners - 1)) for i in range(corners)]
    return [(x + rx * math.cos(a), y + ry * math.sin(a)) for a in angles]


def _ball(a: float, b: float, c: float) -> list[Part]:
    band = 0.2 + 0.15 * a
    stripe = _arc(0, 0, 1, 1, -band * 57, band * 57, 6) + _arc(0, 0, 1, 1, 180 - band * 57, 180 + band * 57, 6)
    return [(_ellipse(0, 0, 1, 1, 24), "base"), (stripe, "light" if b < 0.5 else "dark")]


def _boat(a: float, b: float, c: float) -> list[Part]:
    depth = 0.35 + 0.2 * a
    hull = [(-1, 0.35), (1, 0.35), (0.65, 0.35 + depth), (-0.6, 0.35 + depth)]
    height = -0.95 + 0.2 * b
    parts: list[Part] = [(_box(-0.04, height, 0.05, 0.4), "steel"), (hull, "base")]
    parts.append(([(0.1, height), (0.1, 0.22), (0.55 + 0.35 * c, 0.22)], "light"))
    if c < 0.6:
        parts.append(([(-0.1, height + 0.25), (-0.1, 0.22), (-0.65, 0.22)], "dark"))
    return parts


def _car(a: float, b: float, c: float) -> list[Part]:
    roof = -0.45 - 0.2 * a
    left, right = -0.5 - 0.2 * b, 0.3 + 0.25 * c
    body = [(-1, -0.02), (left - 0.05, -0.08), (left + 0.15, roof), (right, roof), (right + 0.25, -0.08), (0.97, 0.05)]
    body += [(1, 0.42), (-1, 0.42)]
    window = [(left + 0.14, -0.08), (left + 0.25, roof + 0.1), (right - 0.05, roof + 0.1), (right + 0.1, -0.08)]
    wheels = [(_ellipse(x, 0.42, 0.25, 0.25, 14), "ink") for x in (-0.55, 0.55)]
    hubs = [(_ellipse(x, 0.42, 0.1, 0.1, 8), "pale") for x in (-0.55, 0.55)]
    return [(body, "base"), (window, "pale"), *wheels, *hubs]


def _cup(a: float, b: float, c: float) -> list[Part]:
    top, bottom = 0.6 + 0.12 * a, 0.38 + 0.2 * b
    height = 0.65 + 0.15 * c
    ring = _arc(top - 0.1, -0.05, 0.46, 0.45, -90, 90, 9) + _arc(top - 0.1, -0.05, 0.28, 0.25, 90, -90, 9)
    body = [(-top, -height), (top, -height)] + _arc(0, height - 0.1, bottom, 0.14, 10, 170, 8)
    return [(ring, "dark"), (body, "base"), (_ellipse(0, -height, top, 0.16, 16), "dark")]


def _fish(a: float, b: float, c: float) -> list[Part]:
    depth, tail = 0.42 + 0.16 * a, 0.38 + 0.2 * b
    fin = [(-0.05, -depth + 0.08), (0.4, -depth - 0.25), (0.4, -depth + 0.15)]
    fork = [(0.5, 0), (1, -tail), (0.85, 0), (1, tail)]
    eye = [(_ellipse(-0.62, -0.1, 0.11, 0.11, 10), "pale"), (_ellipse(-0.63, -0.1, 0.055, 0.055, 8), "ink")]
    body = _ellipse(-0.2, 0, 0.8, depth, 22)
    gill = _arc(-0.45, 0, 0.2, depth * 0.7, -70, 70, 6) + _arc(-0.45, 0, 0.13, depth * 0.7, 70, -70, 6)
    return [(fork, "dark"), (fin, "dark"), (body, "base"), (gill, "dark" if c < 0.5 else "light"), *eye]


def _flower(a: float, b: float, c: float) -> list[Part]:
    petals = 5 + int(a * 3.999)
    leaf = (
        [(0.02, 0.75), (0.3, 0.45), (0.5, 0.5), (0.3, 0.75)] if b < 0.5 else [(-0.02, 0.8), (-0.35, 0.5), (-0.5, 0.6)]
    )
    parts: list[Part] = [(_box(-0.05, 0, 0.05, 1), "steel"), (leaf, "steel")]
    for i in range(petals):
        angle = 2 * math.pi * (i / petals + c)
        x, y = 0.4 * math.cos(angle), -0.33 + 0.4 * math.sin(angle)
        parts.append((_ellipse(x, y, 0.27, 0.27, 12), "base"))
    parts.append((_ellipse(0, -0.33, 0.2, 0.2, 12), "ink"))
    return parts


def _house(a: float, b: float, c: float) -> list[Part]:
    half, eaves, ridge = 0.62 + 0.15 * a, -0.1 - 0.12 * b, -0.75 - 0.22 * c
    walls = _box(-half, eaves, half, 0.85)
    roof = [(-half - 0.16, eaves + 0.03), (0, ridge), (half + 0.16, eaves + 0.03)]
    door = _box(-0.42, 0.32, -0.12, 0.85)
    window = _box(0.1, 0.1, 0.45, 0.42)
    chimney = _box(0.28, ridge + 0.08, 0.46, eaves)
    parts: list[Part] = [(chimney, "steel")] if b < 0.5 else []
    return [*parts, (walls, "base"), (roof, "dark"), (door, "ink"), (window, "pale")]


def _key(a: float, b: float, c: float) -> list[Part]:
    ring = 0.34 + 0.08 * a
    bow = _ellipse(-0.6, 0, ring, ring, 18)
    hole = _ellipse(-0.6, 0, ring * 0.5, ring * 0.5, 12)
    teeth = [(_box(x, 0.05, x + 0.13, 0.3 + 0.18 * b), "base") for x in ((0.8, 0.55) if c < 0.5 else (0.82, 0.6, 0.38))]
    return [(_box(-0.35, -0.1, 0.97, 0.1), "base"), *teeth, (bow, "base"), (hole, "ink")]


def _lamp(a: float, b: float, c: float) -> list[Part]:
    top, bottom = 0.25 + 0.15 * a, 0.68 + 0.14 * b
    shade = [(-top, -0.95), (top, -0.95), (bottom, -0.08), (-bottom, -0.08)]
    foot = _ellipse(0, 0.85, 0.42 + 0.1 * c, 0.12, 14)
    return [
        (_box(-0.06, -0.1, 0.06, 0.85), "steel"),
        (foot, "steel"),
        (shade, "base"),
        (_box(-bottom, -0.2, bottom, -0.06), "dark"),
    ]


def _star(a: float, b: float, c: float) -> list[Part]:
    inner = 0.34 + 0.08 * a
    corners = []
    for i in range(10):
        angle, length = math.pi * i / 5 - math.pi / 2, 1.0 if i % 2 == 0 else inner
        corners.append((length * math.cos(angle), length * math.sin(angle)))
    heart = [(x * (0.35 + 0.15 * b), y * (0.35 + 0.15 * b)) for x, y in corners]
    return [(corners, "base"), (heart, "light" if c < 0.7 else "base")]


def _tree(a: float, b: float, c: float) -> list[Part]:
    trunk: Part = (_box(-0.1 - 0.04 * c, 0.2, 0.1 + 0.04 * c, 1), "steel")
    if a < 0.5:
        half = 0.6 + 0.15 * b
        return [
            trunk,
            ([(-half, 0.6), (0, -0.2), (half, 0.6)], "dark"),
            ([(-half * 0.85, 0.18), (0, -0.6), (half * 0.85, 0.18)], "base"),
            ([(-half * 0.6, -0.3), (0, -1), (half * 0.6, -0.3)], "base"),
        ]
    wide = 0.42 + 0.08 * b
    return [
        trunk,
        (_ellipse(-0.35, -0.02, wide, 0.4, 14), "dark"),
        (_ellipse(0.35, -0.02, wide, 0.4, 14), "base"),
        (_ellipse(0, -0.48, wide + 0.05, 0.48, 16), "base"),
    ]


def _umbrella(a: float, b: float, c: float) -> list[Part]:
    height, ribs = 0.72 + 0.2 * a, 3 + int(b * 2.999)
    dome = _arc(0, 0.05, 1, height, 180, 360, 14)
    scallops: Points = []
    width = 2 / ribs
    for i in range(ribs):
        scallops += _arc(1 - width * (i + 0.5), 0.05, width / 2, 0.13, 0, -180, 5)
    middle = [(-width / 2, -0.02), (0, 0.05 - height), (width / 2, -0.02)]
    hook = _arc(0.16, 0.75, 0.2, 0.2, 180, 0, 7) + _arc(0.16, 0.75, 0.1, 0.1, 0, 180, 7)
    handle = _box(-0.04, -0.1, 0.05, 0.78)
    return [(handle, "steel"), (hook, "steel"), (dome + scallops, "base"), (middle, "dark" if c < 0.5 else "light")]


_OUTLINES = {
    "ball": _ball,
    "boat": _boat,
    "car": _car,
    "cup": _cup,
    "fish": _fish,
    "flower": _flower,
    "house": _house,
    "key": _key,
    "lamp": _lamp,
    "star": _star,
    "tree": _tree,
    "umbrella": _umbrella,
}
