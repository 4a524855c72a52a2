"""Which photos a search word finds: objects, colours and tags of the place. Words are not stemmed."""

from __future__ import annotations

import random

from clip_pipeline.sandbox.scenes import shuffled
from clip_pipeline.sandbox.world import Photo, World

BACKGROUND_TAGS = {
    "beach": ("beach", "sea"),
    "brick": ("wall", "brick"),
    "forest": ("forest", "woods"),
    "grass": ("grass", "meadow"),
    "night": ("night", "sky"),
    "snow": ("snow", "winter"),
    "studio": ("studio", "background"),
    "water": ("water", "waves"),
    "wood": ("table", "wood"),
}
LIGHT_TAGS = {"warm": "sunset"}


def photo_tags(photo: Photo) -> list[str]:
    """The words that find a photo: its objects, the main colour, the place, now and then a second word for the place."""
    scene = photo.scene
    tags = [scene.main.object, scene.main.colour, BACKGROUND_TAGS[scene.background][0]]
    if scene.second is not None:
        tags.append(scene.second.object)
    if scene.backdrop % 2:
        tags.append(BACKGROUND_TAGS[scene.background][1])
    if scene.light in LIGHT_TAGS:
        tags.append(LIGHT_TAGS[scene.light])
    return tags


def search_words() -> list[str]:
    """Every word that finds something."""
    from clip_pipeline.sandbox.scenes import COLOURS, OBJECTS

    places = [tag for tags in BACKGROUND_TAGS.values() for tag in tags]
    return sorted({*OBJECTS, *COLOURS, *places, *LIGHT_TAGS.values()})


class SearchIndex:
    """Finds photos by words. Results of a word are in an order of their own, the same at every request."""

    def __init__(self, world: World):
        found: dict[str, list[int]] = {}
        for place, photo in enumerate(world.photos):
            for tag in photo_tags(photo):
                found.setdefault(tag, []).append(place)
        self._found = {
            word: shuffled(random.Random(f"ranks {world.seed} {word}"), places) for word, places in found.items()
        }

    def find(self, query: str) -> list[int]:
        """Places (indices into `world.photos`) of the photos that have every word of the query."""
        words = query.lower().split()
        if not words:
            return []
        results = self._found.get(words[0], [])
        for word in words[1:]:
            also = set(self._found.get(word, []))
            results = [place for place in results if place in also]
        return results
