"""Layouts of class folders as people publish them, and what is left out of each."""

from __future__ import annotations

import pytest

from clip_pipeline.sources.photos.class_folders import sort_into_classes


def told(*names):
    found = sort_into_classes(names)
    splits = found.splits or [""] * len(names)
    return {
        name: (split, one)
        for name, split, one in zip(names, splits, found.classes or [None] * len(names), strict=True)
        if one is not None
    }


@pytest.mark.parametrize("beside", ["overview.jpg", "test/1.jpg", "cat/old/1.jpg", "images/1.jpg", "val/images/1.jpg"])
def test_one_odd_photo_beside_class_folders_is_left_out_and_no_more(beside):
    assert told("cat/1.jpg", "cat/2.jpg", "dog/1.jpg", beside) == {
        "cat/1.jpg": ("", "cat"),
        "cat/2.jpg": ("", "cat"),
        "dog/1.jpg": ("", "dog"),
    }


@pytest.mark.parametrize(
    "beside", ["overview.jpg", "test/1.jpg", "unlabeled/1.jpg", "extra/cat/1.jpg", "val/images/1.jpg"]
)
def test_photos_without_a_class_beside_splits_are_left_out(beside):
    found = sort_into_classes(["train/cat/1.jpg", "train/dog/1.jpg", "val/cat/1.jpg", "val/dog/1.jpg", beside])
    assert found.classes == ["cat", "dog", "cat", "dog", None]
    assert found.splits == ["train", "train", "val", "val", ""]
    assert list(found.left_out.values()) == [[beside]]


@pytest.mark.parametrize(
    ("train", "test", "split"),
    [
        ("train", "test", ("train", "test")),
        ("Train", "Valid", ("Train", "Valid")),
        ("training_set", "test_set", ("train", "test")),
        ("training_set/training_set", "test_set/test_set", ("train", "test")),
        ("set/train", "set/test", ("train", "test")),
        ("archive/set/train2014", "archive/set/val2014", ("train", "validation")),
        ("train/images", "test/images", ("train", "test")),
    ],
)
def test_folders_of_splits_are_found_by_any_of_their_names(train, test, split):
    found = sort_into_classes([f"{place}/{one}/1.jpg" for place in (train, test) for one in ("cat", "dog")])
    assert found.splits == [split[0], split[0], split[1], split[1]]
    assert [one.rpartition("/")[2] for one in found.classes] == ["cat", "dog"] * 2


def test_a_folder_of_images_below_a_class_does_not_count():
    assert told("train/n01/images/1.jpg", "train/n02/images/1.jpg", "val/n01/images/2.jpg") == {
        "train/n01/images/1.jpg": ("train", "n01"),
        "train/n02/images/1.jpg": ("train", "n02"),
        "val/n01/images/2.jpg": ("val", "n01"),
    }


def test_splits_may_lie_below_the_classes():
    assert told("cat/train/1.jpg", "cat/test/2.jpg", "dog/train/3.jpg") == {
        "cat/train/1.jpg": ("train", "cat"),
        "cat/test/2.jpg": ("test", "cat"),
        "dog/train/3.jpg": ("train", "dog"),
    }


def test_a_folder_around_all_class_folders_does_not_count():
    found = sort_into_classes(["101_ObjectCategories/ant/1.jpg", "101_ObjectCategories/crab/1.jpg", "logo.png"])
    assert (found.names, found.below, found.left_out) == (
        ["ant", "crab"],
        "101_ObjectCategories",
        {"lie beside the class folders": ["logo.png"]},
    )


def test_a_train_is_a_vehicle_where_no_other_folder_is_called_after_a_split():
    assert set(told("bus/1.jpg", "car/1.jpg", "train/1.jpg").values()) == {("", "bus"), ("", "car"), ("", "train")}
    assert set(told("train/bus/1.jpg", "train/train/1.jpg", "val/bus/2.jpg", "val/train/3.jpg").values()) == {
        *(("train", "bus"), ("train", "train"), ("val", "bus"), ("val", "train")),
    }


@pytest.mark.parametrize(
    ("names", "why"),
    [
        (["a.jpg", "b.jpg", "c.jpg", "cat/1.jpg", "dog/1.jpg"], "3 of 5 photos lie in no folder, the first is a.jpg"),
        (["2024/05/1.jpg", "2024/06/1.jpg"], "2024/05/1.jpg lies in a folder of a folder"),
        (["fruit/apple/1.jpg", "drink/milk/1.jpg"], "fruit/apple/1.jpg lies in a folder of a folder"),
        (["train2017/1.jpg", "val2017/1.jpg"], "hold no class folders"),
        (["images/1.jpg", "masks/1.jpg"], "hold no class folders"),
    ],
)
def test_folders_that_tell_no_classes_are_given_with_the_reason(names, why):
    found = sort_into_classes(names)
    assert found.classes is None and why in found.why_none
