"""Pages with photos of the user's own, small enough that every asset from dump to pairs is built in a second."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from clip_pipeline_tests.words.dumps import dump_xml, page_xml

WORDS = ("cat", "tree", "house", "river", "stone")


def write_dump(file: Path, *extra: str) -> None:
    """A dump of one article that says each word often enough."""
    file.write_text(dump_xml(page_xml("A", " ".join([*WORDS, *extra] * 3))))


def write_photo(folder: Path, name: str, seed: int) -> None:
    """A photo of coarse noise with a caption beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, (8, 8, 3), dtype=np.uint8)
    Image.fromarray(pixels).resize((320, 320)).save(folder / f"{name}.jpg", quality=90)
    (folder / f"{name}.txt").write_text(f"a cat beside a tree number {seed}")


def own_settings(folder: Path) -> list[str]:
    """Settings of a recipe that reads a dump file and a folder of photos."""
    return [
        f"wikipedia.dump={folder / 'wiki.xml'}",
        *("wikipedia.parts=1", "words.min_count=1", "links.source=folder", f"links.path={folder / 'photos'}"),
        *("links.buckets=2", "download.photos_per_shard=10", "compute.workers=1"),
    ]
