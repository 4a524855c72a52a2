"""The zero-shot test of a world: labelled images of one object each, in the layout that CLIP_benchmark reads.

Two splits with scenes that no search finds: `seen`, combinations of object and colour that photos show, and `unseen`,
combinations that none shows. Both label with an index into the one list of all class names.
"""

from __future__ import annotations

import functools
import io
import random
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from clip_pipeline.sandbox.captions import ZERO_SHOT_TEMPLATES
from clip_pipeline.sandbox.render import jpeg_bytes, render_scene
from clip_pipeline.sandbox.scenes import COLOURS, OBJECTS, Combination, Scene, pick, sample_scene
from clip_pipeline.sandbox.world import ORIGINAL_SIZES, World

SPLITS = ("seen", "unseen")
SCENES_PER_SPLIT = 2000
IMAGE_WIDTH = 96
SAMPLES_PER_TAR = 1000

CLASS_NAMES = tuple(f"{colour} {name}" for name in OBJECTS for colour in COLOURS)
"""All 120 combinations, such as "red cup"; a label is an index into this list."""


@dataclass(frozen=True)
class LabelledScene:
    """One test image: its scene, its label (an index into CLASS_NAMES), width and height in pixels."""

    scene: Scene
    label: int
    width: int
    height: int


def labelled_scenes(world: World, split: str, count: int = SCENES_PER_SPLIT) -> Iterator[LabelledScene]:
    """`count` test scenes of a split, its classes in turn. split: seen or unseen."""
    combinations = {"seen": world.seen, "unseen": world.unseen}[split]
    for index in range(count):
        rng = random.Random(f"benchmark {world.seed} {split} {index}")
        combination = combinations[index % len(combinations)]
        width, height = pick(rng, ORIGINAL_SIZES)
        scene = sample_scene(rng, combination, ())
        yield LabelledScene(scene, label_of(combination), IMAGE_WIDTH, IMAGE_WIDTH * height // width)


def label_of(combination: Combination) -> int:
    """Index of ("cup", "red") in CLASS_NAMES."""
    name, colour = combination
    return OBJECTS.index(name) * len(COLOURS) + COLOURS.index(colour)


def benchmark_files(world: World) -> dict[str, bytes | Callable[[], bytes]]:
    """Path -> bytes, or a function without arguments that makes them (the tars take a second or two)."""
    tars = -(-SCENES_PER_SPLIT // SAMPLES_PER_TAR)
    files: dict[str, bytes | Callable[[], bytes]] = {
        "classnames.txt": ("\n".join(CLASS_NAMES) + "\n").encode(),
        "zeroshot_classification_templates.txt": ("\n".join(ZERO_SHOT_TEMPLATES) + "\n").encode(),
    }
    for split in SPLITS:
        files[f"{split}/nshards.txt"] = f"{tars}\n".encode()
        for number in range(tars):
            files[f"{split}/{number}.tar"] = functools.partial(benchmark_tar, world, split, number)
    return files


def benchmark_tar(world: World, split: str, number: int) -> bytes:
    """Tar `number` of a split: members `sNNNNNNN.jpg` and `sNNNNNNN.cls`, the label in decimal."""
    buffer = io.BytesIO()
    first = number * SAMPLES_PER_TAR
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for index, sample in enumerate(labelled_scenes(world, split)):
            if not first <= index < first + SAMPLES_PER_TAR:
                continue
            key = f"s{index:07d}"
            image = jpeg_bytes(render_scene(sample.scene, sample.width, sample.height), quality=90)
            for name, content in ((f"{key}.cls", str(sample.label).encode()), (f"{key}.jpg", image)):
                member = tarfile.TarInfo(name)
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()
