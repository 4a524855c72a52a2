from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from clip_pipeline.errors import DatasetError
from clip_pipeline.evaluation.datasets import (
    TEMPLATES,
    open_dataset,
    readable_class_name,
)
from clip_pipeline_tests.made.tiny_model import jpeg

RED, BLUE = jpeg((220, 20, 20)), jpeg((20, 20, 220))


def add_tar(path: Path, members: dict[str, bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


def benchmark_folder(folder: Path) -> Path:
    """Two splits, one of them in two tars, with the same keys in both."""
    add_tar(folder / "test" / "0.tar", {"s0.cls": b"0", "s0.jpg": RED, "s1.jpg": BLUE, "s1.cls": b"2\n"})
    add_tar(folder / "test" / "1.tar", {"s2.jpg": RED, "s2.cls": b"0"})
    add_tar(folder / "extra" / "0.tar", {"s0.jpg": BLUE, "s0.cls": b"1"})
    (folder / "classnames.txt").write_text("red thing\ngreen thing\nblue thing\n")
    (folder / "zeroshot_classification_templates.txt").write_text("a {c}\na photo of a {c}\n")
    return folder


def test_clip_benchmarks_layout_is_read_with_its_splits_names_and_templates(tmp_path):
    dataset = open_dataset(benchmark_folder(tmp_path / "things"))
    assert (dataset.name, dataset.task) == ("things", "zero_shot")
    assert dataset.ids == ["extra/0/s0", "test/0/s0", "test/0/s1", "test/1/s2"]
    assert dataset.splits == ["extra", "test", "test", "test"]
    assert dataset.labels == [1, 0, 2, 0]
    assert dataset.class_names == ("red thing", "green thing", "blue thing")
    assert [content for _, content in dataset.images()] == [BLUE, RED, BLUE, RED]
    assert dataset.texts()["text"].to_pylist()[:2] == ["a red thing", "a photo of a red thing"]
    assert dataset.read_photos({"test/0/s1", "nobody"}) == {"test/0/s1": BLUE}


def test_a_photo_without_a_label_is_left_out_and_the_others_keep_theirs(tmp_path, caplog):
    folder = benchmark_folder(tmp_path / "things")
    labels = open_dataset(folder).labels
    add_tar(folder / "test" / "2.tar", {"s9.jpg": RED})
    dataset = open_dataset(folder)
    assert dataset.labels == labels and "test/2/s9" not in dataset.ids
    assert '1 of "photos without a label (KEY.cls)", such as "test/2/s9"' in caplog.text


def test_a_label_beyond_the_names_is_told(tmp_path):
    folder = benchmark_folder(tmp_path / "things")
    (folder / "classnames.txt").write_text("red\ngreen\n")
    with pytest.raises(DatasetError, match=r"classnames.txt has 2 names and the labels run from 0 to 2"):
        open_dataset(folder)


def test_a_label_that_is_no_number_is_told(tmp_path):
    folder = benchmark_folder(tmp_path / "things")
    add_tar(folder / "test" / "0.tar", {"s0.jpg": RED, "s0.cls": b"cat"})
    with pytest.raises(DatasetError, match=r"s0.cls holds no number, the number of a class was expected"):
        open_dataset(folder)


def test_a_cut_tar_is_told(tmp_path):
    folder = benchmark_folder(tmp_path / "things")
    (folder / "test" / "0.tar").write_bytes((folder / "test" / "0.tar").read_bytes()[:700])
    with pytest.raises(DatasetError, match=r"0.tar is (cut|no whole tar)"):
        open_dataset(folder)


def test_labels_without_names_are_told(tmp_path):
    folder = benchmark_folder(tmp_path / "things")
    (folder / "classnames.txt").unlink()
    with pytest.raises(DatasetError, match="holds tars with labels and no classnames.txt"):
        open_dataset(folder)


def test_names_of_a_list_stay_as_they_are(tmp_path):
    folder = benchmark_folder(tmp_path / "things")
    (folder / "classnames.txt").write_text("3-door_car\ngreen thing\nblue thing\n")
    assert open_dataset(folder).class_names[0] == "3-door_car"


def test_tars_with_captions_serve_retrieval(tmp_path):
    add_tar(
        tmp_path / "test" / "0.tar", {"a.jpg": RED, "a.txt": b"a red cup\na cup", "b.jpg": BLUE, "b.txt": b"a ball"}
    )
    dataset = open_dataset(tmp_path)
    assert (dataset.task, dataset.splits) == ("retrieval", ["test", "test"])
    assert dataset.captions == [["a red cup", "a cup"], ["a ball"]]


def test_an_unknown_name_is_told_with_the_nearest_one(tmp_path):
    with pytest.raises(DatasetError, match='There is no dataset "sandbx".* Did you mean "sandbox"'):
        open_dataset("sandbx")
    (tmp_path / "pets").mkdir()
    with pytest.raises(DatasetError, match="Did you mean"):
        open_dataset(tmp_path / "pest")


def class_folders(folder: Path) -> Path:
    for name, content in (("red_cup", RED), ("02.blue-ball", BLUE)):
        (folder / name).mkdir(parents=True)
        for number in range(3):
            (folder / name / f"{number}.jpg").write_bytes(content)
    return folder


def test_a_folder_of_class_folders_is_labelled_with_readable_names(tmp_path):
    dataset = open_dataset(class_folders(tmp_path / "things"))
    assert (dataset.task, len(dataset.ids)) == ("zero_shot", 6)
    assert set(dataset.class_names) == {"red cup", "blue-ball"}
    for photo_id, label in zip(dataset.ids, dataset.labels or [], strict=True):
        assert ("red_cup" in photo_id) == (dataset.class_names[label] == "red cup")
    assert dataset.templates == TEMPLATES


def test_photos_with_captions_serve_retrieval(tmp_path):
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).write_bytes(RED)
    (tmp_path / "captions.csv").write_text("file,caption\na.jpg,a red cup\na.jpg,a cup\nb.jpg,a ball\n")
    dataset = open_dataset(tmp_path, "mine")
    assert (dataset.name, dataset.task) == ("mine", "retrieval")
    texts = dataset.texts()
    assert texts["text"].to_pylist() == ["a red cup", "a cup", "a ball"]
    assert len(set(texts["photo_id"].to_pylist())) == 2


def test_photos_without_labels_and_captions_are_told(tmp_path):
    (tmp_path / "a.jpg").write_bytes(RED)
    with pytest.raises(DatasetError, match="1 photos without labels and without captions. To score a model"):
        open_dataset(tmp_path)


def test_one_class_folder_is_told(tmp_path):
    (tmp_path / "cup").mkdir()
    (tmp_path / "cup" / "a.jpg").write_bytes(RED)
    with pytest.raises(DatasetError, match=r"one class|without labels"):
        open_dataset(tmp_path)


def test_an_empty_folder_is_told(tmp_path):
    with pytest.raises(DatasetError, match="photo"):
        open_dataset(tmp_path)


@pytest.mark.parametrize(
    ("folder", "name"),
    [("red_cup", "red cup"), ("001.Black_footed_Albatross", "Black footed Albatross"), ("7", "7"), ("3-2", "3-2")],
)
def test_folder_names_become_words(folder, name):
    assert readable_class_name(folder) == name
