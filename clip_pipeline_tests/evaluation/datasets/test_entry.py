from __future__ import annotations

import pytest

from clip_pipeline.errors import DatasetError
from clip_pipeline.evaluation.datasets.entry import entries, find_entry
from clip_pipeline.evaluation.datasets.names import class_names, matching_folder
from clip_pipeline.evaluation.datasets.templates import own_templates

NAMES = (
    *(
        "mnist",
        "fashion_mnist",
        "cifar10",
        "cifar100",
        "caltech101",
        "imagenet",
        "food101",
        "imagenette",
        "tiny_imagenet",
    ),
    *("coco_captions", "flickr8k", "flickr30k", "digits", "sandbox"),
)


def test_every_dataset_of_the_issue_is_there():
    assert set(NAMES) <= set(entries())
    with pytest.raises(DatasetError, match='There is no dataset "food_101". Did you mean "food101"'):
        find_entry("food_101")


@pytest.mark.parametrize("name", sorted(entries()))
def test_every_entry_is_complete(name):
    entry = find_entry(name)
    assert entry.title and entry.about and entry.licence and entry.expects and entry.about.endswith(".")
    names = class_names(entry)
    assert not names or len(names) == entry.classes
    assert all("_" not in one for one in names.values())
    assert all("{c}" in one or "{}" in one for one in own_templates(entry))
    assert entry.downloads or entry.by_hand or not entry.needs_files
    for split, each in entry.per_class.items():
        assert each * entry.classes == entry.photos[split]
    for download in entry.downloads:
        assert download.size > 0 and (len(download.md5) == 32 or len(download.sha256) == 64)
        assert download.url.startswith(("https://", "http://"))


def test_names_are_those_of_clip():
    assert own_templates(find_entry("cifar100")) == own_templates(find_entry("cifar10"))
    assert (len(own_templates(find_entry("cifar10"))), len(own_templates(find_entry("imagenet")))) == (18, 80)
    assert class_names(find_entry("cifar100"))["aquarium_fish"] == "aquarium fish"
    assert class_names(find_entry("caltech101"))["Faces"] == "off-center face"


@pytest.mark.parametrize(
    ("folder", "expected"),
    [("apple_pie", "apple_pie"), ("Apple Pie", "apple_pie"), ("apple-pie", "apple_pie"), ("apple", None)],
)
def test_folders_are_known_by_letters_alone(folder, expected):
    assert matching_folder(folder, {"apple_pie": "apple pie", "sushi": "sushi"}) == expected


def test_names_of_ours_agree_with_torchvisions():
    from clip_pipeline.models.torchvision_operators import define_missing_operators

    define_missing_operators()
    from torchvision.datasets import CIFAR10, FashionMNIST, Food101, Imagenette

    assert {one.md5 for one in find_entry("cifar10").downloads} == {CIFAR10.tgz_md5}
    assert {one.md5 for one in find_entry("fashion_mnist").downloads} == {md5 for _, md5 in FashionMNIST.resources}
    assert [one.md5 for one in find_entry("food101").downloads] == [Food101._MD5]
    assert Imagenette._ARCHIVES["160px"] == (
        find_entry("imagenette").downloads[0].url,
        find_entry("imagenette").downloads[0].md5,
    )
    assert list(class_names(find_entry("imagenette"))) == list(Imagenette._WNID_TO_CLASS)
    assert {folder: name[0] for folder, name in Imagenette._WNID_TO_CLASS.items()} == class_names(
        find_entry("imagenette")
    )
