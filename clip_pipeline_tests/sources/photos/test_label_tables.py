"""Labels of photos in tables and lists beside them."""

from __future__ import annotations

import pytest

from clip_pipeline.errors import PhotosError
from clip_pipeline.sources.photos.open import open_photos


def make(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    return folder


def told(folder):
    photos = open_photos(folder)
    known = photos.metadata
    assert known.captions is None
    splits = known.splits or [""] * len(photos)
    return {
        name: (split, known.class_names[label])
        for name, split, label in zip(photos.names, splits, known.labels or [None] * len(photos), strict=True)
        if label is not None
    }


FOUR = ("a.jpg", "b.jpg", "c.jpg", "d.jpg")


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("metadata.csv", "file_name,label\na.jpg,cat\nb.jpg,dog\nc.jpg,cat\nd.jpg,dog\n"),
        ("labels.csv", "id,breed\na,cat\nb,dog\nc,cat\nd,dog\n"),
        ("labels.csv", "a.jpg,cat\nb.jpg,dog\nc.jpg,cat\nd.jpg,dog\n"),
        (
            "labels.tsv",
            "filename\tlabel\ttext\na.jpg\tcat\tno 1\nb.jpg\tdog\tno 2\nc.jpg\tcat\tno 3\nd.jpg\tdog\tno 4\n",
        ),
        ("data.csv", "image_id,what it is\na,cat\nb,dog\nc,cat\nd,dog\n"),
        (
            "metadata.jsonl",
            "".join(
                f'{{"file_name": "{n}.jpg", "label": "{one}"}}\n'
                for n, one in zip("abcd", ["cat", "dog"] * 2, strict=True)
            ),
        ),
        ("ground_truth.csv", "image,cat,dog\na,1.0,0.0\nb,0.0,1.0\nc,1.0,0.0\nd,0.0,1.0\n"),
        ("labels.txt", "a.jpg cat\nb.jpg dog\nc.jpg cat\nd.jpg dog\n"),
        ("train_annotations.txt", "a.jpg\tcat\t0\t0\nb.jpg\tdog\t1\t1\nc.jpg\tcat\t0\t0\nd.jpg\tdog\t0\t0\n"),
    ],
)
def test_a_table_of_any_usual_form_gives_the_labels(tmp_path, caplog, file, text):
    (make(tmp_path, *FOUR) / file).write_text(text)
    assert [one for _, one in told(tmp_path).values()] == ["cat", "dog", "cat", "dog"]
    assert f"the classes of the photos are those of {file}" in caplog.text


def test_kaggles_layout_has_labels_for_train_and_none_for_test(tmp_path):
    make(tmp_path, "train/a.jpg", "train/b.jpg", "test/c.jpg", "test/d.jpg")
    (tmp_path / "train.csv").write_text("id,species\na.jpg,cat\nb.jpg,dog\nz.jpg,dog\n")
    (tmp_path / "sample_submission.csv").write_text("id,species\nc.jpg,cat\nd.jpg,cat\n")
    assert told(tmp_path) == {"train/a": ("train", "cat"), "train/b": ("train", "dog")}
    assert open_photos(tmp_path).metadata.left_out.rows() == [
        ("photos that train.csv gives no label", 2, "", "test/c.jpg"),
        ("photos that train.csv labels and that are not there", 1, "", "z.jpg"),
    ]


def test_metadata_in_folders_of_splits_gives_labels(tmp_path):
    make(tmp_path, "train/0.jpg", "train/1.jpg", "test/0.jpg", "test/1.jpg")
    for split, labels in (("train", ("cat", "dog")), ("test", ("dog", "cat"))):
        rows = "".join(f"{n}.jpg,{label}\n" for n, label in enumerate(labels))
        (tmp_path / split / "metadata.csv").write_text("file_name,label\n" + rows)
    assert told(tmp_path) == {
        "train/0": ("train", "cat"),
        "train/1": ("train", "dog"),
        "test/0": ("test", "dog"),
        "test/1": ("test", "cat"),
    }


def test_lists_of_splits_give_splits(tmp_path):
    make(tmp_path, *FOUR)
    (tmp_path / "train.txt").write_text("a.jpg 0\nb.jpg 1\n")
    (tmp_path / "val.txt").write_text("c.jpg 0\nd.jpg 1\n")
    (tmp_path / "classes.txt").write_text("cat\ndog\n")
    assert told(tmp_path) == {
        **{"a": ("train", "cat"), "b": ("train", "dog")},
        **{"c": ("validation", "cat"), "d": ("validation", "dog")},
    }


@pytest.mark.parametrize(
    ("file", "text", "sentence"),
    [
        ("labels.csv", "file,label\na.jpg,cat\na.jpg,dog\n", 'gives a.jpg the label "dog", and before it was "cat"'),
        (
            "labels.csv",
            "file,label\nx.jpg,cat\ny.jpg,dog\n",
            r"names 2 photos, such as x.jpg, and none of them is there",
        ),
        (
            "labels.jsonl",
            '{"file": "a.jpg", "label": ["cat", "dog"]}\n',
            "holds several values, and a photo has one class",
        ),
        ("labels.txt", "a.jpg cat\nand so on\n", "line 2 is no photo's name and its class"),
    ],
)
def test_labels_that_cannot_be_joined_are_told(tmp_path, file, text, sentence):
    (make(tmp_path, *FOUR) / file).write_text(text)
    with pytest.raises(PhotosError, match=sentence):
        told(tmp_path)


def test_a_table_of_captions_is_none_of_labels(tmp_path):
    (make(tmp_path, *FOUR) / "train.csv").write_text("file,caption,label\na.jpg,a cup,3\nb.jpg,a ball,4\n")
    assert open_photos(tmp_path).metadata.captions == [["a cup"], ["a ball"], [], []]


@pytest.mark.parametrize("file", ["labels.csv", "metadata.csv", "train.csv", "a/1.txt"])
def test_class_folders_win_over_a_table_with_texts_and_it_is_said(tmp_path, caplog, file):
    make(tmp_path, "a/1.jpg", "b/1.jpg")
    (tmp_path / file).write_text(
        "a cup\n" if file.endswith("txt") else "filename,label,text\na/1.jpg,a,no 1\nb/1.jpg,b,no 2\n"
    )
    assert told(tmp_path) == {"a/1": ("", "a"), "b/1": ("", "b")}
    assert f"the class folders (a, b) say what is on the photos, so {file} is left aside" in caplog.text


def test_a_file_named_for_captions_wins_over_class_folders_and_it_is_said(tmp_path, caplog):
    make(tmp_path, "a/1.jpg", "b/1.jpg")
    (tmp_path / "captions.csv").write_text("file,caption\na/1.jpg,a cup\nb/1.jpg,a ball\n")
    assert open_photos(tmp_path).metadata.captions == [["a cup"], ["a ball"]]
    assert "captions.csv gives the photos captions, so its 2 class folders are left aside" in caplog.text


@pytest.mark.parametrize("text", ["epoch,loss\n1,0.7\n", "file_name,label\na/1.jpg,a\nb/1.jpg,b\n"])
@pytest.mark.parametrize("file", ["results.csv", "metadata.csv"])
def test_tables_without_captions_beside_class_folders_cost_no_labels(tmp_path, file, text):
    make(tmp_path, "a/1.jpg", "b/1.jpg")
    (tmp_path / file).write_text(text)
    assert told(tmp_path) == {"a/1": ("", "a"), "b/1": ("", "b")}
