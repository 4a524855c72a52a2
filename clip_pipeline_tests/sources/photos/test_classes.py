"""Classes and splits that folders and labels say."""

from __future__ import annotations

import tarfile

import pytest

from clip_pipeline.errors import PhotosError
from clip_pipeline.sources.photos.open import open_photos
from clip_pipeline_tests.made.unpacking import unpack
from clip_pipeline_tests.sources.photos.formats.test_tars import write_tar


def make(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    return folder


def read_all(photos):
    return [photos.read(row).decode() for row in range(len(photos))]


def test_class_folders_give_labels(tmp_path):
    names = ["cat/1.jpg", "cat/2.png", "dog/1.jpg"]
    photos = open_photos(make(tmp_path, *names, "readme.md"))
    assert list(photos.names) == ["cat/1", "cat/2", "dog/1"]
    assert (photos.metadata.labels, photos.metadata.class_names) == ([0, 0, 1], ["cat", "dog"])
    assert photos.metadata.captions is None and photos.metadata.splits is None
    assert read_all(photos) == names


def test_class_folders_that_are_empty_or_links_are_said(tmp_path, caplog):
    make(tmp_path, "pets/cat/1.jpg", "pets/dog/1.jpg", "far/1.jpg", "pets/notes/a.md")
    (tmp_path / "pets" / "bird").mkdir()
    (tmp_path / "pets" / "fish").symlink_to(tmp_path / "far")
    known = open_photos(tmp_path / "pets", say=False).metadata
    assert known.class_names == ["cat", "dog"] and caplog.text == ""
    assert known.left_out.rows() == [
        ("folders that hold no photos, and are no classes", 2, "", "bird, notes"),
        ("folder that is a link: give the folder that it leads to", 1, "", "fish"),
    ]


def test_splits_above_class_folders_share_their_classes(tmp_path):
    photos = open_photos(make(tmp_path, "test/dog/1.jpg", "train/cat/1.jpg", "train/dog/1.jpg"))
    assert photos.metadata.splits == ["test", "train", "train"]
    assert (photos.metadata.labels, photos.metadata.class_names) == ([1, 0, 1], ["cat", "dog"])


def test_below_a_split_a_class_may_lie_deeper(tmp_path):
    photos = open_photos(
        make(tmp_path, "train/fruit/apple/gala/1.jpg", "train/fruit/kiwi/1.jpg", "val/fruit/kiwi/2.jpg")
    )
    assert (photos.metadata.labels, photos.metadata.class_names) == ([0, 1, 1], ["gala", "kiwi"])
    photos = open_photos(make(tmp_path, "val/drink/kiwi/2.jpg"))
    assert photos.metadata.class_names == ["drink/kiwi", "fruit/apple/gala", "fruit/kiwi"]


@pytest.mark.parametrize("names", [["a.jpg", "cat/1.jpg"], ["2024/05/1.jpg", "2024/06/1.jpg"], ["a.jpg"]])
def test_other_folders_have_no_classes(tmp_path, names):
    photos = open_photos(make(tmp_path, *names))
    assert photos.metadata.labels is None and photos.metadata.class_names is None and photos.metadata.captions is None
    assert read_all(photos) == sorted(names)


def test_a_caption_file_gives_captions_of_the_photos_that_are_there(tmp_path):
    make(tmp_path, "images/a.jpg", "images/b.jpg")
    (tmp_path / "captions.csv").write_text("file,caption\na.jpg,A dog\na.jpg,Two\n0gone.jpg,A cat\n")
    photos = open_photos(tmp_path)
    assert list(photos.names) == ["images/a", "images/b"]
    assert photos.metadata.captions == [["A dog", "Two"], []]
    assert photos.metadata.labels is None
    assert read_all(photos) == ["images/a.jpg", "images/b.jpg"]


def test_tars_of_a_benchmark_give_splits_labels_and_class_names(tmp_path):
    for split in ("seen", "unseen"):
        for number in range(2):
            members = {f"{n}.{ending}": f"{(n + number) % 2}" for n in range(2) for ending in ("cls", "jpg")}
            write_tar(tmp_path / split / f"{number}.tar", members)
        (tmp_path / split / "nshards.txt").write_text("2")
    (tmp_path / "classnames.txt").write_text("red cup\nblue cup\n")
    photos = open_photos(tmp_path)
    assert list(photos.names)[:3] == ["seen/0/0", "seen/0/1", "seen/1/0"]
    assert photos.metadata.splits == ["seen"] * 4 + ["unseen"] * 4
    assert photos.metadata.labels == [0, 1, 1, 0] * 2
    assert photos.metadata.class_names == ["red cup", "blue cup"]
    assert read_all(photos) == [str(label) for label in photos.metadata.labels]
    one = open_photos(tmp_path / "seen" / "1.tar")
    assert (list(one.names), one.metadata.labels, one.metadata.class_names, one.metadata.splits) == (
        ["1/0", "1/1"],
        [1, 0],
        ["red cup", "blue cup"],
        None,
    )


def test_captions_of_a_tar_are_lines_of_its_texts(tmp_path):
    members = {"a.jpg": "a", "a.txt": "A dog\nTwo", "b.jpg": "b", "b.json": '{"caption": "A cat"}'}
    photos = open_photos(write_tar(tmp_path / "0.tar", members))
    assert photos.metadata.captions == [["A dog", "Two"], ["A cat"]]
    assert photos.metadata.labels is None and photos.metadata.class_names is None


def test_labels_without_a_name_are_refused(tmp_path):
    (tmp_path / "classnames.txt").write_text("cat\n")
    write_tar(tmp_path / "0.tar", {"a.jpg": "a", "a.cls": "1"})
    with pytest.raises(PhotosError, match="has 1 names and the labels run from 1 to 1"):
        open_photos(tmp_path).metadata  # noqa: B018
    write_tar(tmp_path / "0.tar", {"a.jpg": "a", "a.cls": "cat   "})
    with pytest.raises(PhotosError, match=r"a.cls holds no number, the number of a class was expected"):
        open_photos(tmp_path).metadata  # noqa: B018


@pytest.mark.slow
def test_a_part_of_food101_has_its_classes_and_splits(tmp_path, shared_data):
    with tarfile.open(shared_data("food101_64px.tar")) as tar:
        wanted = [entry for number, entry in enumerate(tar) if entry.isfile() and number % 40 == 0]
        unpack(tar, tmp_path, wanted)
    photos = open_photos(tmp_path / "food101_64px")
    assert len(photos) == len(wanted)
    assert set(photos.metadata.splits) == {"train", "test"}
    assert {"apple_pie", "waffles"} <= set(photos.metadata.class_names)
    for row in (0, len(photos) - 1):
        split, name, _ = photos.names[row].split("/")
        assert (split, name) == (photos.metadata.splits[row], photos.metadata.class_names[photos.metadata.labels[row]])
        assert photos.read(row)[:2] == b"\xff\xd8"
