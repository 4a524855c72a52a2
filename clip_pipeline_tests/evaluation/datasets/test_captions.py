from __future__ import annotations

import json

import pytest

from clip_pipeline.errors import DatasetError
from clip_pipeline.evaluation.datasets import open_dataset
from clip_pipeline.evaluation.datasets.opening import open_entry
from clip_pipeline_tests.evaluation.datasets.forms import small, tar_of, write_photos


def flickr8k(folder):
    """Four photos with five captions, one of them twice; the last photo is in none of the lists."""
    names = [f"{number}.jpg" for number in "1234"]
    write_photos(folder / "images", names)
    (folder / "text").mkdir()
    lines = [f"{name}#{k}\t{'a dog' if k < 2 else f'caption {k}'}\n" for name in names for k in range(5)]
    (folder / "text" / "Flickr8k.token.txt").write_text("".join(lines))
    for split, name in zip(("train", "dev", "test"), names, strict=False):
        (folder / "text" / f"Flickr_8k.{split}Images.txt").write_text(f"{name}\n")
    return small("flickr8k", {"train": 1, "validation": 1, "test": 1})


@pytest.mark.parametrize("packed", [False, True])
def test_flickr8k_has_its_lists_and_every_caption(tmp_path, packed):
    entry = flickr8k(tmp_path / "flickr8k")
    path = tar_of(tmp_path / "flickr8k", tmp_path / "f.tar") if packed else tmp_path / "flickr8k"
    dataset = open_entry(entry, path)
    assert (dataset.ids, dataset.splits) == (["images/1", "images/2", "images/3"], ["train", "validation", "test"])
    assert dataset.captions[0] == ["a dog", "a dog", "caption 2", "caption 3", "caption 4"]
    assert dataset.read(2) == (tmp_path / "flickr8k/images/3.jpg").read_bytes()


def coco(folder, photos, name, captions=5):
    images = [{"id": n, "file_name": f"{n:012d}.jpg"} for n in range(1, photos + 1)]
    told = [{"image_id": image["id"], "caption": f"scene {k}"} for image in images for k in range(captions)]
    (folder / "annotations").mkdir(parents=True)
    (folder / "annotations" / name).write_text(json.dumps({"images": images, "annotations": told}))
    return write_photos(folder, [f"val2017/{image['file_name']}" for image in images])


def test_cocos_validation_photos_are_the_test_split(tmp_path):
    coco(tmp_path, 3, "captions_val2017.json")
    dataset = open_entry(small("coco_captions", {"test": 3}), tmp_path)
    assert dataset.splits == ["test"] * 3 and dataset.captions[0][4] == "scene 4"


def test_karpathys_list_goes_before_other_captions(tmp_path):
    coco(tmp_path, 3, "captions_val2017.json")
    sentences = [{"raw": f"told {k}"} for k in range(5)]
    images = [
        {"filepath": "val2017", "filename": f"{n:012d}.jpg", "split": split, "sentences": sentences}
        for n, split in ((1, "test"), (2, "val"), (3, "restval"))
    ]
    (tmp_path / "dataset_coco.json").write_text(json.dumps({"images": images, "dataset": "coco"}))
    dataset = open_entry(small("coco_captions", {"test": 1}), tmp_path)
    assert dataset.splits == ["test", "validation", "train"]
    assert dataset.captions[0] == [f"told {k}" for k in range(5)]


def test_another_number_of_photos_is_told(tmp_path):
    coco(tmp_path, 3, "captions_val2017.json")
    with pytest.raises(DatasetError, match="is no whole COCO captions: test has 3 photos, expected 5,000"):
        open_dataset(f"coco_captions={tmp_path}")


def test_too_few_captions_are_told(tmp_path):
    coco(tmp_path, 2, "captions_val2017.json", captions=4)
    with pytest.raises(DatasetError, match=r"2 photos have fewer than 5 captions \(val2017/000000000001"):
        open_entry(small("coco_captions", {"test": 2}), tmp_path)


def test_captions_of_other_photos_are_told(tmp_path):
    coco(tmp_path, 2, "captions_val2017.json")
    for path in (tmp_path / "val2017").iterdir():
        path.rename(path.with_name(f"x{path.name}"))
    with pytest.raises(DatasetError, match=r"None of the 2 files .*captions_val2017.json names is in"):
        open_entry(small("coco_captions", {"test": 2}), tmp_path)


def test_photos_without_captions_are_told(tmp_path):
    write_photos(tmp_path, ["a.jpg", "b.jpg"])
    with pytest.raises(DatasetError, match="2 photos and no captions. Flickr30k is read from: photos with Karpathy's"):
        open_dataset(f"flickr30k={tmp_path}")


@pytest.mark.slow
def test_real_flickr8k_is_whole(shared_data):
    dataset = open_dataset(f"flickr8k={shared_data('flickr8k_128.tar')}")
    assert [dataset.splits.count(split) for split in ("train", "validation", "test")] == [6000, 1000, 1000]
    assert dataset.part == "" and {len(texts) for texts in dataset.captions} == {5}
