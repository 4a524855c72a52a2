"""The world of a seed: its photos with their scenes, captions, people and faults.

Nothing here depends on hash order, the clock or the machine: the same three numbers give the same world everywhere.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from clip_pipeline.sandbox import people
from clip_pipeline.sandbox.captions import describe_in_a_sentence, describe_scene
from clip_pipeline.sandbox.scenes import (
    Combination,
    Scene,
    near_duplicate,
    pick,
    sample_scene,
    shuffled,
    split_combinations,
)

ID_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
ORIGINAL_SIZES = ((1200, 900), (1200, 900), (1200, 800), (1000, 1000), (900, 1200))
"""Pixels of the originals: 4:3, 3:2, square and upright."""

NO_ALT_SHARE, NO_DESCRIPTION_SHARE = 0.05, 0.25
EXACT_DUPLICATE_SHARE, NEAR_DUPLICATE_SHARE = 0.01, 0.02
SPONSORED_SHARE, PREMIUM_SHARE = 0.01, 0.01

FAULT_SHARES = {
    "missing": 0.006,
    "server_error_once": 0.006,
    "slow": 0.002,
    "truncated": 0.006,
    "html": 0.004,
    "png": 0.004,
    "webp": 0.004,
    "exif_rotation": 0.004,
    "grayscale": 0.003,
    "cmyk": 0.003,
}
"""What the photo host does wrong or unusual, and for which share of the photos; together about 4 %."""


@dataclass(frozen=True)
class Photo:
    """One photo of the world.

    id: 11 characters. path: last part of its address. captions: what is not null of (alt_description, description).
    fault: "" or a key of FAULT_SHARES. copy_of: id of the photo whose image this one repeats, "" for most; `exact`
    copies have the same bytes, near ones a changed scene.
    """

    id: str
    path: str
    scene: Scene
    alt_description: str | None
    description: str | None
    width: int
    height: int
    person: people.Person
    created_at: str
    likes: int
    fault: str = ""
    copy_of: str = ""
    exact: bool = False
    sponsored: bool = False
    premium: bool = False

    @property
    def captions(self) -> list[str]:
        return [caption for caption in (self.alt_description, self.description) if caption]


class World:
    """The generated world of a seed.

    seed: another seed is another world. photos: how many photos the search can find. articles: how many articles its
    Wikipedia has. `seen` and `unseen` are lists of (object, colour); no photo shows an unseen one.
    """

    def __init__(self, seed: int, photos: int, articles: int):
        self.seed, self.articles = seed, articles
        self.seen, self.unseen = split_combinations(seed)
        self.photos = self._make_photos(photos)

    def _make_photos(self, count: int) -> list[Photo]:
        photos: list[Photo] = []
        taken: set[str] = set()
        cast = people.cast(self.seed)
        order: list[Combination] = []
        for index in range(count):
            rng = random.Random(f"photo {self.seed} {index}")
            if not order:
                order = shuffled(rng, self.seen)
            photo = self._make_photo(rng, order.pop(), pick(rng, cast), photos)
            while photo.id in taken:
                photo = self._make_photo(rng, photo.scene.combinations[0], photo.person, photos)
            taken.add(photo.id)
            photos.append(photo)
        return photos

    def _make_photo(self, rng, combination: Combination, person: people.Person, earlier: list[Photo]) -> Photo:
        scene = sample_scene(rng, combination, self.seen)
        width, height = pick(rng, ORIGINAL_SIZES)
        copy_of, exact, chance = "", False, rng.random()
        if earlier and chance < EXACT_DUPLICATE_SHARE + NEAR_DUPLICATE_SHARE:
            original = pick(rng, earlier)
            if not original.copy_of and not original.fault:
                exact = chance < EXACT_DUPLICATE_SHARE
                copy_of, width, height = original.id, original.width, original.height
                scene = original.scene if exact else near_duplicate(rng, original.scene)
        return Photo(
            id="".join(pick(rng, ID_LETTERS) for _ in range(11)),
            path=f"photo-{1_400_000_000_000 + int(rng.random() * 300_000_000_000)}-{int(rng.random() * 16**12):012x}",
            scene=scene,
            alt_description=None if rng.random() < NO_ALT_SHARE else describe_scene(scene, rng),
            description=None if rng.random() < NO_DESCRIPTION_SHARE else describe_in_a_sentence(scene, rng),
            width=width,
            height=height,
            person=person,
            created_at=people.timestamp(rng),
            likes=int(1000 * rng.random() ** 4),
            fault="" if copy_of else _draw_fault(rng),
            copy_of=copy_of,
            exact=exact,
            sponsored=rng.random() < SPONSORED_SHARE,
            premium=rng.random() < PREMIUM_SHARE,
        )


def _draw_fault(rng: random.Random) -> str:
    chance = rng.random()
    for fault, share in FAULT_SHARES.items():
        if chance < share:
            return fault
        chance -= share
    return ""
