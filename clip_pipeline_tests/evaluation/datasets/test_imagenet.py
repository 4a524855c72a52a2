from __future__ import annotations

import numpy as np
import pytest

from clip_pipeline.errors import DatasetError
from clip_pipeline.evaluation.datasets import open_dataset
from clip_pipeline.evaluation.datasets.names import imagenet_names
from clip_pipeline.evaluation.datasets.opening import open_entry
from clip_pipeline_tests.evaluation.datasets.forms import small, tar_bytes, write_photos

PHOTOS = [f"ILSVRC2012_val_{number:08d}.JPEG" for number in (1, 2, 3)]
WNIDS = ["n01443537", "n15075141", "n01440764"]
WHOLE = small("imagenet", {"test": 1000}, {"test": 1})


@pytest.fixture(autouse=True)
def three_photos_pass(monkeypatch):
    """A whole validation set is 50,000 photos: here only the joining of photos and labels is looked at."""
    monkeypatch.setattr("clip_pipeline.evaluation.datasets.opening.check_dataset", lambda entry, dataset, path: "")


def synsets(folder):
    (folder / "imagenet_2012_validation_synset_labels.txt").write_text("\n".join(WNIDS))


def numbers(folder):
    order = list(imagenet_names())
    lines = [f"{name} {order.index(wnid)}\n" for name, wnid in zip(PHOTOS, WNIDS, strict=True)]
    (folder / "val.txt").write_text("".join(lines))


def kaggle(folder):
    lines = [f"{name[:-5]},{wnid} 1 2 3 4 {wnid} 5 6 7 8\n" for name, wnid in zip(PHOTOS, WNIDS, strict=True)]
    (folder / "LOC_val_solution.csv").write_text("ImageId,PredictionString\n" + "".join(lines))


def devkit(folder):
    from scipy.io import savemat

    data = folder / "ILSVRC2012_devkit_t12" / "data"
    data.mkdir(parents=True)
    described = np.array(
        [(1, "n15075141"), (2, "n01440764"), (3, "n01443537")], [("ILSVRC2012_ID", "i4"), ("WNID", "U9")]
    )
    savemat(data / "meta.mat", {"synsets": described})
    (data / "ILSVRC2012_validation_ground_truth.txt").write_text("3\n1\n2\n")


@pytest.mark.parametrize("write_labels", [synsets, numbers, kaggle, devkit])
def test_flat_photos_get_their_labels_from_any_of_the_usual_lists(tmp_path, write_labels):
    write_photos(tmp_path / "val", PHOTOS)
    write_labels(tmp_path)
    for path in (tmp_path, tmp_path / "val"):
        dataset = open_entry(WHOLE, path)
        assert [dataset.class_names[label] for label in dataset.labels] == ["goldfish", "toilet paper", "tench"]
        assert dataset.splits == ["test"] * 3 and len(dataset.class_names) == 1000


def test_the_tar_as_it_is_published_is_read_with_the_list_beside_it(tmp_path):
    (tmp_path / "ILSVRC2012_img_val.tar").write_bytes(tar_bytes(dict.fromkeys(PHOTOS, b"\xff\xd8")))
    synsets(tmp_path)
    dataset = open_entry(WHOLE, tmp_path / "ILSVRC2012_img_val.tar")
    assert dataset.ids == [f"val/{name[:-5]}" for name in PHOTOS]
    assert dataset.class_names[dataset.labels[2]] == "tench"


def test_photos_without_any_list_are_told(tmp_path):
    write_photos(tmp_path / "val", PHOTOS)
    with pytest.raises(DatasetError, match="validation photos without their labels.*Unpack ILSVRC2012_devkit_t12"):
        open_entry(WHOLE, tmp_path)


def test_a_list_that_does_not_name_a_photo_is_told(tmp_path):
    write_photos(tmp_path / "val", [*PHOTOS, "ILSVRC2012_val_00000004.JPEG"])
    synsets(tmp_path)
    with pytest.raises(
        DatasetError, match="1 of them are not in .*synset_labels.txt, the first is ILSVRC2012_val_00000004"
    ):
        open_entry(WHOLE, tmp_path)


def test_another_list_under_the_name_is_told(tmp_path):
    write_photos(tmp_path / "val", PHOTOS)
    (tmp_path / "val.txt").write_text("some words\nmore words\n")
    with pytest.raises(DatasetError, match="val.txt is no list of ImageNet's labels .*Get it again"):
        open_entry(WHOLE, tmp_path)
    (tmp_path / "val.txt").write_text("n1\nn2\nn3\n")
    with pytest.raises(DatasetError, match="names n1, which is none of ImageNet's 1,000 classes"):
        open_entry(WHOLE, tmp_path)


def test_photos_in_folders_are_read_as_folders(tmp_path):
    write_photos(tmp_path, [f"val/{wnid}/{name}" for wnid, name in zip(WNIDS, PHOTOS, strict=True)])
    dataset = open_entry(WHOLE, tmp_path)
    assert dataset.class_names[dataset.labels[dataset.ids.index(f"val/n01443537/{PHOTOS[0][:-5]}")]] == "goldfish"


def test_imagenet_is_not_found_by_its_name_alone():
    with pytest.raises(DatasetError, match="write imagenet=PATH.*Ask for access at https://image-net.org"):
        open_dataset("imagenet")


def test_names_are_those_of_open_clip_in_the_order_of_the_folders():
    names = imagenet_names()
    assert list(names) == sorted(names) and len(names) == 1000
    assert (names["n01440764"], names["n15075141"], names["n02012849"]) == ("tench", "toilet paper", "crane bird")
