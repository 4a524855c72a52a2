from __future__ import annotations

import pytest

from clip_pipeline.errors import DatasetError
from clip_pipeline.evaluation.datasets import open_dataset
from clip_pipeline.evaluation.datasets.entry import find_entry
from clip_pipeline.evaluation.datasets.names import class_names, imagenet_names
from clip_pipeline.evaluation.datasets.opening import open_entry
from clip_pipeline_tests.evaluation.datasets.forms import small, tar_bytes, tar_of, write_photos

CIFAR_CLASSES = list(class_names(find_entry("cifar10")))


def cifar_folders(folder, train=2, test=1):
    names = [f"train/{one}/{n}.jpg" for one in CIFAR_CLASSES for n in range(train)]
    return write_photos(folder, names + [f"test/{one}/{n}.jpg" for one in CIFAR_CLASSES for n in range(test)])


CIFAR = small("cifar10", {"train": 20, "test": 10}, {"train": 2, "test": 1})


@pytest.mark.parametrize("packed", [False, True])
def test_class_folders_of_a_registered_dataset_get_its_names_and_templates(tmp_path, packed):
    folder = cifar_folders(tmp_path / "cifar10")
    dataset = open_entry(CIFAR, tar_of(folder, tmp_path / "some.tar") if packed else folder)
    assert dataset.class_names == tuple(CIFAR_CLASSES)
    assert (dataset.part, len(dataset.templates), dataset.splits.count("test")) == ("", 18, 10)
    row = dataset.ids.index("test/truck/0")
    assert dataset.class_names[dataset.labels[row]] == "truck"
    assert dataset.read(row) == (folder / "test/truck/0.jpg").read_bytes()


def test_a_webdataset_of_a_registered_dataset_keeps_its_own_names(tmp_path):
    """CLIP_benchmark's class names are what its scores were made with."""
    (tmp_path / "test").mkdir()
    samples = {f"s{n}.{ending}": str(n).encode() for n in range(10) for ending in ("jpg", "cls")}
    (tmp_path / "test" / "0.tar").write_bytes(tar_bytes(samples))
    (tmp_path / "classnames.txt").write_text("".join(f"thing {n}\n" for n in range(10)))
    dataset = open_entry(small("cifar10", {"test": 10}, {"test": 1}), tmp_path)
    assert (dataset.labels, dataset.class_names[3], dataset.part) == (list(range(10)), "thing 3", "")
    (tmp_path / "classnames.txt").write_text("".join(f"thing {n}\n" for n in range(11)))
    with pytest.raises(DatasetError, match='has a folder "thing 0", which is no class of CIFAR-10'):
        open_entry(small("cifar10", {"test": 10}, {"test": 1}), tmp_path)


def test_a_part_of_every_class_is_read_and_told(tmp_path, caplog):
    entry = small("cifar10", {"train": 40, "test": 10}, {"train": 4, "test": 1})
    dataset = open_entry(entry, cifar_folders(tmp_path))
    assert dataset.part == "2 of 4 photos a class in train"
    assert "is a part of CIFAR-10: 2 of 4 photos a class in train. Its scores are not those of the whole" in caplog.text


def test_a_photo_too_few_is_told(tmp_path):
    cifar_folders(tmp_path)
    (tmp_path / "train/cat/1.jpg").unlink()
    with pytest.raises(
        DatasetError, match=r"train has 1 photos of cat, expected 2 of every class \(1 of 10 classes differ\)"
    ):
        open_entry(CIFAR, tmp_path)


def test_a_class_that_is_missing_in_a_split_is_told(tmp_path):
    cifar_folders(tmp_path)
    (tmp_path / "test/frog/0.jpg").unlink()
    with pytest.raises(DatasetError, match=r"1 of its 10 classes have no photo in the test split \(frog\)"):
        open_entry(CIFAR, tmp_path)


def test_a_dataset_without_its_test_split_is_told(tmp_path):
    cifar_folders(tmp_path, test=0)
    with pytest.raises(DatasetError, match="it has the splits train, and no test split"):
        open_entry(CIFAR, tmp_path)


def test_a_folder_that_is_no_class_is_told(tmp_path):
    cifar_folders(tmp_path)
    write_photos(tmp_path, ["test/trucks/a.jpg"])
    with pytest.raises(
        DatasetError, match='has a folder "trucks", which is no class of CIFAR-10. Did you mean "truck"'
    ):
        open_entry(CIFAR, tmp_path)


def test_photos_without_class_folders_are_told_what_is_expected(tmp_path):
    write_photos(tmp_path, ["a.jpg", "b.jpg"])
    with pytest.raises(
        DatasetError, match="2 photos that are in no class folders. CIFAR-10 is read from: the Python version"
    ):
        open_entry(CIFAR, tmp_path)


def test_nothing_to_read_is_told_with_what_is_expected(tmp_path):
    with pytest.raises(DatasetError, match="holds no photos.*CIFAR-10 is read from: the Python version"):
        open_entry(CIFAR, tmp_path)


@pytest.mark.parametrize("below", ["101_ObjectCategories", "caltech-101/101_ObjectCategories", "."])
def test_caltechs_background_is_no_class_and_both_kinds_of_faces_are(tmp_path, below):
    folders = list(class_names(find_entry("caltech101_background")))
    assert len(folders) == 102
    write_photos(tmp_path / below, [f"{folder}/image_0001.jpg" for folder in folders])
    without = open_entry(small("caltech101", {"test": 101}), tmp_path)
    assert (len(without.ids), len(without.class_names), without.part) == (101, 101, "")
    assert {"off-center face", "centered face"} <= set(without.class_names)
    assert "background" not in without.class_names and len(without.templates) == 34
    with_it = open_entry(small("caltech101_background", {"test": 102}), tmp_path)
    assert (len(with_it.ids), with_it.class_names[0]) == (102, "background")
    assert with_it.class_names[with_it.labels[with_it.ids.index("Faces_easy/image_0001")]] == "centered face"


def test_validation_is_the_test_split_where_there_is_no_other(tmp_path):
    wnids = list(class_names(find_entry("imagenette")))
    write_photos(tmp_path, [f"{split}/{wnid}/{wnid}_1.JPEG" for split in ("train", "val") for wnid in wnids])
    dataset = open_entry(small("imagenette", {"train": 10, "test": 10}), tmp_path)
    assert set(dataset.splits) == {"train", "test"} and len(dataset.templates) == 80
    assert dataset.class_names[0] == "tench"
    assert {imagenet_names()[wnid] for wnid in wnids} >= {"tench", "parachute", "golf ball"}


def food(folder):
    dishes = list(class_names(find_entry("food101")))
    lists = {"train": [f"{dish}/1" for dish in dishes], "test": [f"{dish}/2" for dish in dishes]}
    write_photos(folder / "images", [f"{name}.jpg" for names in lists.values() for name in names])
    (folder / "meta").mkdir()
    for split, names in lists.items():
        (folder / "meta" / f"{split}.txt").write_text("\n".join(names) + "\n")
    return small("food101", {"train": 101, "test": 101}, {"train": 1, "test": 1})


def test_food101_is_split_by_its_lists(tmp_path):
    entry = food(tmp_path / "food-101")
    for path in (tmp_path, tmp_path / "food-101"):
        dataset = open_entry(entry, path)
        assert (len(dataset.ids), dataset.splits.count("test")) == (202, 101)
        row = dataset.ids.index("test/creme_brulee/2")
        assert dataset.class_names[dataset.labels[row]] == "creme brulee"
        assert dataset.read(row) == (tmp_path / "food-101/images/creme_brulee/2.jpg").read_bytes()
    assert dataset.templates == ("a photo of {c}, a type of food.",)


def test_listed_photos_that_are_not_there_are_told(tmp_path):
    entry = food(tmp_path)
    (tmp_path / "images/sushi/2.jpg").unlink()
    with pytest.raises(
        DatasetError, match=r"test.txt names 101 photos, and 1 of them are not in .*images, the first is sushi/2"
    ):
        open_entry(entry, tmp_path)


def tiny_imagenet(folder, sorted_into_folders=False):
    wnids = ["n01443537", "n99999999"]  # a goldfish of ImageNet's 1,000, and a class beyond them
    write_photos(folder, [f"train/{wnid}/images/{wnid}_0.JPEG" for wnid in wnids])
    (folder / "wnids.txt").write_text("\n".join(reversed(wnids)))
    (folder / "words.txt").write_text("n01443537\tgoldfish, Carassius auratus\nn99999999\tblue thing, thing\nn1\tx\n")
    if sorted_into_folders:
        write_photos(folder, [f"val/{wnid}/val_{n}.JPEG" for n, wnid in enumerate(wnids)])
    else:
        write_photos(folder, ["val/images/val_0.JPEG", "val/images/val_1.JPEG", "test/images/test_0.JPEG"])
        lines = [f"val_{n}.JPEG\t{wnid}\t0\t0\t62\t62\n" for n, wnid in enumerate(wnids)]
        (folder / "val" / "val_annotations.txt").write_text("".join(lines))
    return small("tiny_imagenet", {"train": 2, "test": 2}, {"train": 1, "test": 1}, classes=2)


@pytest.mark.parametrize("sorted_into_folders", [False, True])
def test_tiny_imagenet_has_its_ids_words_and_annotations(tmp_path, sorted_into_folders):
    entry = tiny_imagenet(tmp_path / "tiny-imagenet-200", sorted_into_folders)
    dataset = open_entry(entry, tmp_path)
    assert (dataset.class_names, dataset.splits) == (("goldfish", "blue thing"), ["train", "train", "test", "test"])
    assert dataset.labels == [0, 1, 0, 1]
    assert dataset.part == ""


def test_annotations_of_photos_that_are_not_there_are_told(tmp_path):
    entry = tiny_imagenet(tmp_path)
    (tmp_path / "val/images/val_1.JPEG").unlink()
    with pytest.raises(DatasetError, match="val_annotations.txt names 2 photos, and 1 of them are not in .*val_1.JPEG"):
        open_entry(entry, tmp_path)


@pytest.mark.slow
def test_the_real_parts_of_cifar10_and_food101_are_known_as_parts(shared_data):
    cifar = open_dataset(f"cifar10={shared_data('cifar10_jpg_20k.tar')}")
    assert (len(cifar.ids), cifar.part) == (30_000, "2,000 of 5,000 photos a class in train")
    food = open_dataset(f"food101={shared_data('food101_64px.tar')}")
    assert food.part == "150 of 750 photos a class in train; 20 of 250 photos a class in test"
    assert food.read(0)[:2] == b"\xff\xd8"


def test_real_groceries_have_a_class_that_lies_elsewhere_in_another_split(shared_data, caplog):
    dataset = open_dataset(f"groceries={shared_data('grocery_128px.tar')}")
    assert (len(dataset.ids), len(dataset.class_names), dataset.name) == (5421, 81, "groceries")
    assert "classes have no photo in the val split" in caplog.text
