"""The photographers of the world: invented names, accounts and dates."""

from __future__ import annotations

import random
from dataclasses import dataclass

from clip_pipeline.sandbox.scenes import pick

FIRST_NAMES = (
    "Ada", "Bela", "Chidi", "Dana", "Elif", "Farah", "Goran", "Hana", "Ines", "Jonas", "Kaja", "Liam", "Mina", "Noor",
    "Olga", "Pablo", "Quinn", "Rosa", "Søren", "Tarek", "Uma", "Vera", "Wren", "Ximena", "Yara", "Zoë",
)  # fmt: skip
LAST_NAMES = (
    "Abara", "Brandt", "Castillo", "Dvořák", "Eriksen", "Fontaine", "García", "Hoang", "Ivanova", "Jensen", "Kaya",
    "Lindqvist", "Moreau", "Nakamura", "Okafor", "Petrov", "Quiroga", "Rossi", "Santos", "Tanaka", "Ünal", "Vidal",
)  # fmt: skip
PEOPLE = 160


@dataclass(frozen=True)
class Person:
    """One photographer."""

    id: str
    username: str
    first_name: str
    last_name: str
    photos: int

    @property
    def name(self) -> str:
        return f"{self.first_name} {self.last_name}"


def cast(seed: int) -> list[Person]:
    """The photographers of the world of this seed."""
    rng = random.Random(f"people {seed}")
    result = []
    for index in range(PEOPLE):
        first, last = pick(rng, FIRST_NAMES), pick(rng, LAST_NAMES)
        letters = "".join(letter for letter in f"{first}{last}".lower() if letter.isascii())
        name = "".join(pick(rng, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") for _ in range(11))
        result.append(Person(name, f"{letters}{index}", first, last, 20 + int(rng.random() * 300)))
    return result


def timestamp(rng: random.Random) -> str:
    """A moment between 2014 and 2025, as the API writes it."""
    year, month, day = 2014 + int(rng.random() * 12), 1 + int(rng.random() * 12), 1 + int(rng.random() * 28)
    hour, minute, second = int(rng.random() * 24), int(rng.random() * 60), int(rng.random() * 60)
    return f"{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"
