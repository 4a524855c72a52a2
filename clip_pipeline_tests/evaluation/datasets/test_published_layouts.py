"""Datasets as they are published, made small by a script: by name where the registry has one, and by path as files of one's own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from clip_pipeline.errors import DatasetError
from clip_pipeline.evaluation.datasets import open_dataset
from clip_pipeline.sources.photos.formats.cifar import read_cifar
from clip_pipeline_tests.evaluation.datasets.forms import tar_bytes, write_cifar10, write_idx, write_photos
from clip_pipeline_tests.made.tiny_model import jpeg


@pytest.fixture
def unchecked(monkeypatch):
    """A whole dataset is thousands of photos: here only its form is looked at."""
    monkeypatch.setattr("clip_pipeline.evaluation.datasets.opening.check_dataset", lambda entry, dataset, path: "")


def shown(dataset):
    """{id: (split, class)}."""
    return {
        photo: (split, dataset.class_names[label])
        for photo, split, label in zip(dataset.ids, dataset.splits, dataset.labels, strict=True)
    }


def caltech101(folder: Path) -> Path:
    classes = ("BACKGROUND_Google", "Faces", "Faces_easy", "accordion", "car_side", "wild_cat")
    write_photos(folder / "101_ObjectCategories", [f"{one}/image_{n:04d}.jpg" for one in classes for n in (1, 2)])
    (folder / "101_ObjectCategories" / "BACKGROUND_Google" / "tmp").write_bytes(b"")
    (folder / "Annotations" / "accordion").mkdir(parents=True)
    (folder / "Annotations" / "accordion" / "annotation_0001.mat").write_bytes(b"MATLAB")
    (folder / "show_annotation.m").write_text("function")
    return folder


@pytest.mark.parametrize("below", ["", "101_ObjectCategories"])
def test_caltech101_by_path_has_all_its_folders_for_classes(tmp_path, below):
    dataset = open_dataset(caltech101(tmp_path / "caltech-101") / below)
    assert dataset.class_names == ("BACKGROUND Google", "Faces", "Faces easy", "accordion", "car side", "wild cat")
    assert (len(dataset.ids), set(dataset.splits)) == (12, {"test"})


@pytest.mark.parametrize("below", ["", "101_ObjectCategories"])
def test_caltech101_by_name_has_names_for_captions_and_no_background(tmp_path, unchecked, below):
    dataset = open_dataset(f"caltech101={caltech101(tmp_path / 'caltech-101') / below}")
    names = {name for _, name in shown(dataset).values()}
    assert len(dataset.class_names) == 101 and len(dataset.ids) == 10 and "wild cat" in names
    assert not any("background" in name.lower() for name in dataset.class_names)
    beside = open_dataset(f"caltech101_background={tmp_path / 'caltech-101' / below}")
    assert len(beside.class_names) == 102 and len(beside.ids) == 12


def imagenette(folder: Path) -> Path:
    wnids = ("n01440764", "n02102040", "n02979186")
    write_photos(
        folder, [f"{split}/{one}/{one}_{n}.JPEG" for split in ("train", "val") for one in wnids for n in (1, 2)]
    )
    (folder / "noisy_imagenette.csv").write_text(
        "path,noisy_labels_0,noisy_labels_1,is_valid\n"
        + "".join(f"train/{one}/{one}_1.JPEG,{one},{wnids[0]},False\n" for one in wnids)
    )
    (folder / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
    return folder


def test_imagenette_by_path_and_by_name_has_words_for_its_ids(tmp_path, unchecked):
    folder = imagenette(tmp_path / "imagenette2-160")
    by_path = open_dataset(folder)
    assert by_path.class_names == ("tench", "English Springer Spaniel", "cassette player")
    assert shown(by_path)["val/n02102040/n02102040_1"] == ("val", "English Springer Spaniel")
    by_name = open_dataset(f"imagenette={folder}")
    assert (
        len(by_name.class_names) == 10 and by_name.labels == by_path.labels and set(by_name.splits) == {"train", "test"}
    )


def tiny_imagenet(folder: Path) -> Path:
    wnids = ("n01443537", "n01629819", "n02099712")
    write_photos(folder, [f"train/{one}/images/{one}_{n}.JPEG" for one in wnids for n in (0, 1)])
    write_photos(folder, [*(f"val/images/val_{n}.JPEG" for n in range(3)), "test/images/test_0.JPEG"])
    for one in wnids:
        (folder / "train" / one / f"{one}_boxes.txt").write_text(f"{one}_0.JPEG\t0\t10\t63\t58\n")
    (folder / "wnids.txt").write_text("\n".join(reversed(wnids)) + "\n")
    (folder / "words.txt").write_text("n00001740\tentity\nn01443537\tgoldfish, Carassius auratus\n")
    lines = (f"val_{n}.JPEG\t{one}\t0\t32\t44\t62\n" for n, one in enumerate(reversed(wnids)))
    (folder / "val" / "val_annotations.txt").write_text("".join(lines))
    return folder


def test_tiny_imagenet_by_path_and_by_name_has_the_labels_of_its_annotations(tmp_path, unchecked, caplog):
    folder = tiny_imagenet(tmp_path / "tiny-imagenet-200")
    by_path = open_dataset(folder)
    assert by_path.class_names == ("goldfish", "fire salamander", "Labrador Retriever")
    assert [shown(by_path)[f"val/val_{n}"] for n in range(3)] == [
        ("val", name) for name in reversed(by_path.class_names)
    ]
    assert by_path.splits.count("train") == 6 and len(by_path.ids) == 9
    assert "has the form of Tiny ImageNet and is read as that, unchecked. Write tiny_imagenet=" in caplog.text
    by_name = open_dataset(f"tiny_imagenet={folder}")
    assert (by_name.labels, set(by_name.splits)) == (by_path.labels, {"train", "test"})


def test_tiny_imagenet_without_its_lists_has_its_training_photos_and_says_so(tmp_path, caplog):
    folder = tiny_imagenet(tmp_path / "tiny")
    for file in ("wnids.txt", "words.txt", "val/val_annotations.txt"):
        (folder / file).unlink()
    dataset = open_dataset(folder)
    assert dataset.class_names == ("goldfish", "fire salamander", "Labrador Retriever") and set(dataset.splits) == {
        "train"
    }
    assert '4 of "photos that lie directly in a folder of a split' in caplog.text


@pytest.mark.parametrize("above", ["", "val"])
def test_imagenets_flat_validation_photos_by_path_have_their_labels(tmp_path, above):
    write_photos(tmp_path / above, [f"ILSVRC2012_val_{n:08d}.JPEG" for n in (1, 2, 3)])
    (tmp_path / "imagenet_2012_validation_synset_labels.txt").write_text("n01440764\nn02102040\nn01440764\n")
    dataset = open_dataset(tmp_path)
    assert [name for _, name in shown(dataset).values()] == ["tench", "English Springer Spaniel", "tench"]


def test_imagenets_flat_validation_photos_without_a_list_are_refused_with_its_name(tmp_path):
    write_photos(tmp_path, [f"ILSVRC2012_val_{n:08d}.JPEG" for n in (1, 2, 3)])
    with pytest.raises(DatasetError, match="without their labels: no ILSVRC2012_devkit_t12/data, .*val.txt"):
        open_dataset(tmp_path)


def coco(folder: Path) -> Path:
    write_photos(folder, [f"{split}2017/{n:012d}.jpg" for split in ("train", "val") for n in (1, 2)])
    (folder / "annotations").mkdir()
    for split in ("train", "val"):
        images = [{"id": n, "file_name": f"{n:012d}.jpg", "license": 1} for n in (1, 2)]
        captions = [
            {"image_id": n, "id": 10 * n + k, "caption": f"{split} photo {n} in sentence {k}"}
            for n in (1, 2)
            for k in range(5)
        ]
        text = json.dumps({"images": images, "annotations": captions, "licenses": [{"id": 1, "name": "CC BY"}]})
        (folder / "annotations" / f"captions_{split}2017.json").write_text(text)
        boxes = [{"image_id": 1, "id": 1, "category_id": 3, "bbox": [0, 0, 1, 1]}]
        (folder / "annotations" / f"instances_{split}2017.json").write_text(
            json.dumps({"images": images, "annotations": boxes})
        )
    return folder


def test_coco_by_path_and_by_name_has_the_captions_of_each_split(tmp_path, unchecked):
    folder = coco(tmp_path / "coco")
    by_path, by_name = open_dataset(folder), open_dataset(f"coco_captions={folder}")
    for dataset, split in ((by_path, "validation"), (by_name, "test")):
        captions = dict(zip(dataset.ids, dataset.captions, strict=True))
        assert captions["val2017/000000000002"][4] == "val photo 2 in sentence 4"
        assert dict(zip(dataset.ids, dataset.splits, strict=True))["val2017/000000000002"] == split
        assert len(dataset.ids) == 4


def test_cifars_batches_by_path_have_the_names_of_the_registry(tmp_path):
    write_cifar10(tmp_path / "cifar-10-batches-py", 10)
    for path in (tmp_path, tmp_path / "cifar-10-batches-py"):
        dataset = open_dataset(path)
        assert dataset.class_names[:3] == ("airplane", "automobile", "bird") and len(dataset.ids) == 60


def test_cifars_binary_version_is_read_as_the_python_version_is(tmp_path):
    write_cifar10(tmp_path / "python", 10)
    (tmp_path / "binary").mkdir()
    for batch in read_cifar(tmp_path / "python", 10):
        name = (
            "test_batch.bin"
            if batch.split == "test"
            else f"data_batch_{len(list((tmp_path / 'binary').iterdir())) + 1}.bin"
        )
        rows = (bytes([label]) + row.tobytes() for label, row in zip(batch.labels, batch.pixels(), strict=True))
        (tmp_path / "binary" / name).write_bytes(b"".join(rows))
    binary, python = open_dataset(tmp_path / "binary"), open_dataset(tmp_path / "python")
    assert (binary.ids, binary.splits, binary.class_names) == (python.ids, python.splits, python.class_names)
    assert binary.labels == [n % 10 for n in range(10)] * 6
    assert [binary.read(row) for row in range(60)] == [python.read(row) for row in range(60)]
    (tmp_path / "binary" / "test_batch.bin").write_bytes(b"0" * 4000)
    with pytest.raises(DatasetError, match=r"test_batch.bin has 4,000 bytes, which are no whole photos of CIFAR-10"):
        open_dataset(tmp_path / "binary")


def test_idx_files_by_path_take_the_names_beside_them_or_name_what_is_missing(tmp_path):
    write_idx(tmp_path / "kmnist", {"train": 20, "test": 10})
    with pytest.raises(DatasetError, match=r"holds photos with labels and no classnames.txt.*or write NAME=PATH"):
        open_dataset(tmp_path / "kmnist")
    (tmp_path / "kmnist" / "classnames.txt").write_text(
        "\n".join(["o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"])
    )
    dataset = open_dataset(f"kmnist={tmp_path / 'kmnist'}")
    assert (dataset.name, dataset.class_names[:2], dataset.labels[:3]) == ("kmnist", ("o", "ki"), [0, 1, 2])


def test_webdataset_with_labels_and_without_names_names_the_file(tmp_path):
    (tmp_path / "0.tar").write_bytes(
        tar_bytes({"a.jpg": jpeg((9, 9, 9)), "a.cls": b"0", "b.jpg": jpeg((9, 0, 0)), "b.cls": b"1"})
    )
    with pytest.raises(DatasetError, match="holds tars with labels and no classnames.txt"):
        open_dataset(tmp_path)
    (tmp_path / "classnames.txt").write_text("cat\ndog\n")
    assert open_dataset(tmp_path).class_names == ("cat", "dog")


def test_german_traffic_signs_have_the_names_of_their_table(tmp_path, caplog):
    write_photos(tmp_path, [f"Train/{n}/{n:05d}_0.png" for n in range(3)])
    write_photos(tmp_path, ["Test/00000.png", "Meta/0.png"])
    (tmp_path / "Train.csv").write_text(
        "Width,Height,ClassId,Path\n" + "".join(f"27,26,{n},Train/{n}/{n:05d}_0.png\n" for n in range(3))
    )
    (tmp_path / "signnames.csv").write_text("ClassId,SignName\n0,20 km/h\n1,30 km/h\n2,50 km/h\n")
    assert open_dataset(tmp_path).class_names == ("20 km/h", "30 km/h", "50 km/h")
    assert '1 of "photos that lie beside the folders of the splits", such as "Meta/0.png"' in caplog.text


def test_a_tar_of_class_folders_has_the_names_that_lie_in_it(tmp_path):
    members = {f"signs/{n}/a.jpg": jpeg((n * 90, 9, 9)) for n in range(3)} | {
        "signs/classnames.txt": b"stop\nyield\ngo\n"
    }
    (tmp_path / "signs.tar").write_bytes(tar_bytes(members))
    assert open_dataset(tmp_path / "signs.tar").class_names == ("stop", "yield", "go")


def test_photos_whose_labels_nobody_can_read_are_refused_with_the_files_beside_them(tmp_path):
    write_photos(tmp_path, ["jpg/image_00001.jpg", "jpg/image_00002.jpg"])
    (tmp_path / "imagelabels.mat").write_bytes(b"MATLAB 5.0")
    (tmp_path / "setid.mat").write_bytes(b"MATLAB 5.0")
    with pytest.raises(
        DatasetError, match=r'one class only \("jpg"\).*Beside them lie imagelabels.mat, setid.mat, in which no labels'
    ):
        open_dataset(tmp_path)


def test_pixels_of_a_table_with_names_twice_are_said(tmp_path, caplog):
    write_photos(tmp_path, [f"{n}/1.jpg" for n in range(3)])
    (tmp_path / "classnames.txt").write_text("cup\nball\ncup\n")
    assert open_dataset(tmp_path).class_names == ("cup", "ball", "cup")
    assert '1 names are those of several classes, such as "cup"' in caplog.text
