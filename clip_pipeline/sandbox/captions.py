"""Says a scene in words: several wordings, each true, some leaving a fact out as people do."""

from __future__ import annotations

import random

from clip_pipeline.sandbox.scenes import Scene, Thing, pick

OTHER_NAMES = {
    "boat": "sailboat",
    "cup": "mug",
    "flower": "blossom",
    "house": "cottage",
    "umbrella": "parasol",
}
OTHER_NAME_SHARE = 0.12

SIZE_WORDS = {"small": ("small", "small", "little", "tiny"), "large": ("large", "large", "big", "huge")}

BACKGROUND_PHRASES = {
    "beach": ("on a beach", "on the sand by the sea", "at the beach", "on a sandy beach"),
    "brick": ("in front of a brick wall", "against a brick wall", "by a wall of bricks", "before a brick wall"),
    "forest": ("in a forest", "in the woods", "among the trunks of a forest", "in a misty forest"),
    "grass": ("on the grass", "in a meadow", "on a grassy lawn", "on grass"),
    "night": ("under a night sky", "at night", "under the stars at night", "by moonlight at night"),
    "snow": ("in the snow", "on a snowy field", "in snow", "on a winter day in the snow"),
    "studio": ("in a studio", "against a plain wall", "in an empty studio", "on a plain backdrop"),
    "water": ("on the water", "in the water", "over rippling water", "among waves"),
    "wood": ("on a wooden table", "on wooden boards", "on a table of wood", "on wooden planks"),
}
LIGHT_PHRASES = {
    "plain": ("in daylight", "in even light", ""),
    "bright": ("in bright light", "in glaring sunlight", "brightly lit"),
    "dim": ("in dim light", "in the shade", "in low light"),
    "warm": ("in warm evening light", "at sunset", "in golden light"),
    "spot": ("in a spotlight", "lit from the front", "with dark corners"),
}
RELATION_PHRASES = {
    "left": ("to the left of", "left of", "on the left side of"),
    "right": ("to the right of", "right of", "on the right side of"),
    "above": ("above", "over", "on top of"),
    "below": ("below", "under", "beneath"),
}
OPPOSITE = {"left": "right", "right": "left", "above": "below", "below": "above"}
SIDE_PHRASES = {"left": "on its left", "right": "on its right", "above": "above it", "below": "below it"}

DROPPED_SIZE, DROPPED_LIGHT, DROPPED_BACKGROUND, DROPPED_SECOND = 0.4, 0.8, 0.55, 0.06

ZERO_SHOT_TEMPLATES = tuple(
    f"a {size} {{c}} {phrases[0]}" for phrases in BACKGROUND_PHRASES.values() for size in ("small", "large")
) + ("a photo of a small {c}", "a photo of a large {c}", "the {c}", "one {c}")
"""Prompts for class names such as "red cup"; no "a" stands before the class name, since some need "an"."""


def with_article(words: str) -> str:
    """`a red cup`, `an orange cup`."""
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def describe_scene(scene: Scene, rng: random.Random) -> str:
    """One caption in lower case without a full stop, such as `a small red cup to the left of a blue car on grass`."""
    main = _name(scene.main, rng)
    if rng.random() >= DROPPED_SIZE:
        main = f"{pick(rng, SIZE_WORDS[scene.size])} {main}"
    background = "" if rng.random() < DROPPED_BACKGROUND else pick(rng, BACKGROUND_PHRASES[scene.background])
    light = "" if rng.random() < DROPPED_LIGHT else pick(rng, LIGHT_PHRASES[scene.light])
    if scene.second is None:
        return _wording_alone(main, background, light, rng)
    if rng.random() < DROPPED_SECOND:
        return _joined(with_article(main), background, light)
    return _wording_pair(scene, scene.second, main, background, light, rng)


def describe_in_a_sentence(scene: Scene, rng: random.Random) -> str:
    """The same as a photographer writes it: a sentence with a capital and a full stop."""
    caption = describe_scene(scene, rng)
    opening = pick(rng, ("", "", "", "a snapshot: ", "today: ", "seen on my walk: "))
    sentence = opening + caption
    return sentence[0].upper() + sentence[1:] + pick(rng, (".", ".", "", "!"))


def _name(thing: Thing, rng: random.Random) -> str:
    name = thing.object
    if name in OTHER_NAMES and rng.random() < OTHER_NAME_SHARE:
        name = OTHER_NAMES[name]
    return f"{thing.colour} {name}"


def _joined(*pieces: str) -> str:
    return " ".join(piece for piece in pieces if piece)


def _wording_alone(main: str, background: str, light: str, rng: random.Random) -> str:
    wording = int(rng.random() * 6)
    if wording == 0:
        return _joined("a photo of", with_article(main), background, light)
    if wording == 1:
        return _joined("one", main, background, light)
    if wording == 2 and background:
        return _joined(f"{background},", with_article(main), light)
    if wording == 3:
        return _joined("a single", main, light, background)
    if wording == 4:
        return _joined("the", main, background, light)
    return _joined(with_article(main), background, light)


def _wording_pair(scene: Scene, other: Thing, main: str, background: str, light: str, rng: random.Random) -> str:
    second = with_article(_name(other, rng))
    relation = pick(rng, RELATION_PHRASES[scene.relation])
    opposite = OPPOSITE[scene.relation]
    wording = int(rng.random() * 6)
    if wording == 0:
        return _joined("a photo of", with_article(main), relation, second, background, light)
    if wording == 1:
        return _joined(second, pick(rng, RELATION_PHRASES[opposite]), with_article(main), background, light)
    if wording == 2:
        return _joined(with_article(main), "with", second, SIDE_PHRASES[opposite], background, light)
    if wording == 3 and background:
        return _joined(f"{background},", with_article(main), relation, second, light)
    if wording == 4:
        return _joined("the", main, relation, second, light, background)
    return _joined(with_article(main), relation, second, background, light)
