from __future__ import annotations

import io
import tarfile

import pytest
from PIL import Image

from clip_pipeline.sandbox.benchmark import (
    CLASS_NAMES,
    SAMPLES_PER_TAR,
    SCENES_PER_SPLIT,
    benchmark_files,
    benchmark_tar,
    label_of,
    labelled_scenes,
)


def test_labels_are_places_in_the_list_of_class_names():
    assert CLASS_NAMES[label_of(("cup", "red"))] == "red cup" and len(CLASS_NAMES) == 120


@pytest.mark.parametrize(("split", "classes"), [("seen", 84), ("unseen", 36)])
def test_a_split_shows_its_own_classes_about_equally_often(world, split, classes):
    samples = list(labelled_scenes(world, split))
    counts = [sum(sample.label == label for sample in samples) for label in {sample.label for sample in samples}]
    assert len(samples) == SCENES_PER_SPLIT and len(counts) == classes and max(counts) - min(counts) <= 1
    assert {sample.label for sample in samples} == {label_of(c) for c in getattr(world, split)}
    assert all(sample.scene.second is None for sample in samples)


def test_no_test_scene_is_a_photo_of_the_search(world):
    photos = {photo.scene for photo in world.photos}
    assert not any(sample.scene in photos for sample in labelled_scenes(world, "seen"))


@pytest.mark.slow
def test_a_tar_holds_a_image_and_a_label_for_each_sample(world):
    with tarfile.open(fileobj=io.BytesIO(benchmark_tar(world, "unseen", 1))) as tar:
        names = tar.getnames()
        assert names[:2] == ["s0001000.cls", "s0001000.jpg"] and len(names) == 2 * SAMPLES_PER_TAR
        labels = [int(tar.extractfile(name).read()) for name in names if name.endswith(".cls")]
        Image.open(tar.extractfile(names[1])).load()
    assert labels == [sample.label for sample in labelled_scenes(world, "unseen")][SAMPLES_PER_TAR:]


def test_the_files_are_those_of_clip_benchmark(world):
    files = benchmark_files(world)
    assert sorted(files) == [
        "classnames.txt",
        "seen/0.tar",
        "seen/1.tar",
        "seen/nshards.txt",
        "unseen/0.tar",
        "unseen/1.tar",
        "unseen/nshards.txt",
        "zeroshot_classification_templates.txt",
    ]
    assert files["seen/nshards.txt"] == b"2\n"
    assert files["classnames.txt"].decode().split("\n")[:2] == ["black ball", "blue ball"]
