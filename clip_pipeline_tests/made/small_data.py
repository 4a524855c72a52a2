"""A data folder of a few small artifacts, made in a moment: for tests that damage one."""

from __future__ import annotations

from pathlib import Path

from clip_pipeline.storage.artifacts import Store
from clip_pipeline.storage.manifest import Artifact, ArtifactKey, Built, Wanted

KEYS = (
    ArtifactKey("words", "vocabulary"),
    ArtifactKey("images", "image_shards", "00000"),
    ArtifactKey("images", "image_shards", "00001"),
    ArtifactKey("evaluation", "zero_shot_scores", "held_out|tiny_test"),
)
WANTED = Wanted("1", {"seed": 1}, {"input": "abc"})


def small_data(root: Path) -> Store:
    """Four artifacts of four files each, one of them in a folder."""
    store = Store(root)
    for key in KEYS:
        rebuild(store, key)
    return store


def rebuild(store: Store, key: ArtifactKey) -> Artifact:
    """Builds an artifact where it is not fresh."""

    def build(folder: Path, work: Path) -> Built:
        (folder / "inside").mkdir()
        for number, name in enumerate(("a.bin", "b.bin", "inside/c.bin", "d.csv")):
            (folder / name).write_bytes(f"{key}{name}".encode() * 100 * (number + 1))
        return Built(rows={"rows": 1}, sidecars=("d.csv",))

    return store.materialise(key, WANTED, build).artifact


def flip_bit(path: Path, place: int) -> None:
    """Changes one bit as a disk does that rots: size and times stay."""
    import os

    state = path.stat()
    content = bytearray(path.read_bytes())
    content[place // 8] ^= 1 << place % 8
    path.write_bytes(content)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
