"""Splits that are the folders of photos, and caption files inside of them and above."""

from __future__ import annotations

import json

import pytest

from clip_pipeline.sources.photos.splits import split_of_folder, splits_of_paths
from clip_pipeline_tests.made.opened_photos import list_folder

PHOTO = b"the bytes are never looked at"


def make(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(PHOTO)


def write(path, rows):
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif path.suffix == ".json":
        path.write_text(json.dumps(rows))
    else:
        path.write_text("\n".join([",".join(rows[0]), *(",".join(row.values()) for row in rows)]) + "\n")


def told(folder):
    return {row["id"]: (row["captions"], row["split"]) for row in list_folder(folder).to_pylist()}


@pytest.mark.parametrize("ending", ["jsonl", "csv", "json"])
@pytest.mark.parametrize("above", ["", "data/"])
@pytest.mark.parametrize(("train", "test"), [("train", "test"), ("training_set", "Validation")])
def test_captions_inside_folders_of_splits_are_found_and_photos_stay_in_them(tmp_path, ending, above, train, test):
    for split in (train, test):
        make(tmp_path, f"{above}{split}/0.jpg", f"{above}{split}/1.jpg")
        rows = [{"file_name": f"{n}.jpg", "text": f"{split} photo {n}"} for n in (0, 1)]
        write(tmp_path / above / split / f"metadata.{ending}", rows)
    meant = {train: "train", test: "test" if test == "test" else "validation"}
    assert told(tmp_path) == {
        f"{above}{split}/{n}": ([f"{split} photo {n}"], meant[split]) for split in (train, test) for n in (0, 1)
    }


@pytest.mark.parametrize("ending", ["jsonl", "csv", "json"])
@pytest.mark.parametrize("above", ["", "data/"])
def test_captions_above_folders_of_splits_are_found(tmp_path, ending, above):
    make(tmp_path, f"{above}train/0.jpg", f"{above}test/0.jpg")
    rows = [{"file_name": f"{split}/0.jpg", "text": f"a {split} photo"} for split in ("train", "test")]
    write(tmp_path / above / f"metadata.{ending}", rows)
    assert told(tmp_path) == {f"{above}{split}/0": ([f"a {split} photo"], split) for split in ("train", "test")}


def test_text_files_beside_photos_have_the_split_of_their_folder(tmp_path):
    make(tmp_path, "train/0.jpg", "test/0.jpg")
    (tmp_path / "train/0.txt").write_text("a cup")
    (tmp_path / "test/0.txt").write_text("a mug")
    assert told(tmp_path) == {"train/0": (["a cup"], "train"), "test/0": (["a mug"], "test")}


def test_a_photo_that_is_not_there_takes_no_caption_to_another_split(tmp_path):
    make(tmp_path, "train/0.jpg", "test/images/1.jpg")
    write(tmp_path / "train" / "metadata.jsonl", [{"file_name": f"{n}.jpg", "text": f"train {n}"} for n in (0, 1)])
    write(tmp_path / "test" / "metadata.jsonl", [{"file_name": "1.jpg", "text": "test 1"}])
    assert told(tmp_path) == {
        "train/0": (["train 0"], "train"),
        "train/1": (["train 1"], "train"),
        "test/images/1": (["test 1"], "test"),
    }


def test_a_column_wins_over_the_folder(tmp_path):
    make(tmp_path, "train/0.jpg", "test/1.jpg")
    rows = [
        {"file_name": "train/0.jpg", "text": "a cup", "split": "val"},
        {"file_name": "test/1.jpg", "text": "b", "split": ""},
    ]
    write(tmp_path / "metadata.csv", rows)
    assert [split for _, split in told(tmp_path).values()] == ["test", "validation"]


def test_metadata_that_is_no_list_of_captions_is_passed_over(tmp_path):
    make(tmp_path, "train/0.jpg", "test/0.jpg")
    (tmp_path / "metadata.json").write_text('{"name": {"of": "a dataset"}}')
    (tmp_path / "train" / "metadata.csv").write_text("file_name,label\n0.jpg,3\n")
    (tmp_path / "train/0.txt").write_text("a cup")
    assert told(tmp_path)["train/0"][0] == ["a cup"]


@pytest.mark.parametrize(
    ("paths", "splits"),
    [
        (["train/a.jpg", "test/a.jpg"], ["train", "test"]),
        (["a.jpg", "test/b.jpg"], ["test"]),
        (["set/train2014/a.jpg", "set/val2014/b.jpg"], ["train", "validation"]),
        (["train/a.jpg", "bus/b.jpg"], []),
        (["train/a.jpg", "train/b.jpg"], []),
        (["val/train/a.jpg", "train/test/b.jpg"], ["validation", "train"]),
    ],
)
def test_folders_are_splits_where_they_tell_photos_apart(paths, splits):
    assert list(splits_of_paths(paths).values()) == splits


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("Train", "train"),
        ("test_set", "test"),
        ("val2017", "validation"),
        ("testset", "test"),
        ("trains", None),
        ("latest", None),
    ],
)
def test_names_of_split_folders(name, split):
    assert split_of_folder(name) == split
