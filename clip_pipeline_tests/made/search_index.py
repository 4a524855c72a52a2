"""A search index of photos that show a colour and a thing, with a model that knows both exactly: what is right is known."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from clip_pipeline.records import SEARCH_FACTS
from clip_pipeline.searching.build import write_index
from clip_pipeline.searching.index import SearchIndex
from clip_pipeline.text.word_boundaries import split_words

COLOURS = ("red", "blue", "green", "black", "white", "pink", "brown", "grey")
THINGS = ("cup", "boat", "tree", "star", "fish", "key", "lamp", "house")
NEVER = {(colour, THINGS[(place + more) % 8]) for place, colour in enumerate(COLOURS) for more in range(3)}
"""Combinations that no photo shows."""
DIMENSIONS = 64
STOP_WORDS = frozenset({"a", "the", "of"})


def direction(word: str) -> np.ndarray:
    """Where a word points; words that were never learnt point somewhere too."""
    seed = int.from_bytes(word.encode()[:6], "big")
    vector_D = np.random.Generator(np.random.PCG64(seed)).normal(size=DIMENSIONS)
    return vector_D / np.linalg.norm(vector_D)


def text_vectors(texts: Sequence[str]) -> np.ndarray:
    """(N, D) unit vectors of texts: the sum of their words, and what all texts have in common."""
    rows = [sum((direction(word) for word in split_words(text)), direction("of texts")) for text in texts]
    return np.array([row / np.linalg.norm(row) for row in rows], np.float32)


class TextEncoder:
    """Encodes as `text_vectors`, and files as photos of the words in their names."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def text(self, text: str) -> np.ndarray:
        self.asked.append(text)
        return text_vectors([text])[0]

    def photo(self, path: Path) -> np.ndarray:
        return photo_vector(path.stem.split("_"), np.random.Generator(np.random.PCG64(0)))


def photo_vector(words: Sequence[str], rng: np.random.Generator) -> np.ndarray:
    vector_D = direction("of photos") + sum(direction(word) for word in words) + 0.6 * rng.normal(size=DIMENSIONS) / 8
    return vector_D / np.linalg.norm(vector_D)


def made_facts(count: int) -> tuple[np.ndarray, pa.Table]:
    """(vectors, SEARCH_FACTS) of `count` photos; every eighth is a near-duplicate of the one before it."""
    rng = np.random.Generator(np.random.PCG64(1))
    shown = [(colour, thing) for colour in COLOURS for thing in THINGS if (colour, thing) not in NEVER]
    vectors, rows = [], []
    for number in range(count):
        alike = number % 8 == 7
        words = rows[-1]["words"] if alike else list(shown[int(rng.integers(len(shown)))])
        vectors.append(vectors[-1] if alike else photo_vector(words, rng))
        split = "train" if number % 3 else "test"
        rows.append({
            "id": f"photo-{number:05d}", "shard": "00000", "key": f"{number:09d}", "split": rows[-1]["split"] if alike else split,
            "group": rows[-1]["group"] if alike else f"photo-{number:05d}", "captions": [f"a {' '.join(words)}"], "words": words,
            "width": 640 + number, "height": 480, "licence": "CC BY 4.0" if number % 2 else "Unsplash License",
            "attribution": f"Photo by Ann {number}", "source": "folder" if number % 4 else "unsplash", "terms": None,
            "url": f"file:{number}.jpg", "thumbnail": bytes(192),
        })  # fmt: skip
    return np.array(vectors, np.float32), pa.Table.from_pylist(rows, schema=SEARCH_FACTS)


def made_index(folder: Path, count: int = 1200, seed: int = 0) -> SearchIndex:
    """The index of made photos, written into a new folder."""
    folder.mkdir()
    vectors_ND, facts = made_facts(count)
    about = {"model_sha256": "0" * 64, "variant": "made"}
    write_index(
        folder, vectors_ND, facts, text_vectors, about, captions=100, phrases=100, stop_words=STOP_WORDS, seed=seed
    )
    return SearchIndex(folder)
