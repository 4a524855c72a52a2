"""A class that splits spell differently is one; two spellings in one split are said."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clip_pipeline.sources.photos.class_spellings import join_spellings
from clip_pipeline.sources.photos.open import open_photos
from clip_pipeline_tests.made.tiny_model import jpeg
from clip_pipeline_tests.sources.photos.test_classes import make


@pytest.mark.parametrize(
    ("train", "test"), [("Cat", "cat"), ("red_cup", "Red cup"), ("caf\u00e9", "cafe\u0301"), ("STRASSE", "stra\u00dfe")]
)
def test_a_class_that_two_splits_spell_differently_is_one_and_that_is_said(train, test, caplog):
    classes = join_spellings([train, train, "dog", test, "dog", None], ["train"] * 3 + ["test"] * 3, "pets")
    assert classes == [train, train, "dog", train, "dog", None], "as the split with most photos has it"
    assert f'pets: the classes "{train}" and "{test}" of different splits are one, called {train}' in caplog.text


def test_two_spellings_within_a_split_stay_two_and_that_is_said(caplog):
    classes = ["Cat", "cat", "cat"]
    assert join_spellings(classes, ["train", "train", "test"], "pets") == classes
    assert join_spellings(classes, None, "pets") == classes
    assert caplog.text.count('the classes "cat" and "Cat" differ in their spelling only and stay several') == 2


def test_classes_that_differ_in_more_are_not_joined(caplog):
    classes = ["cat", "cats", "cat-1", "cat 1x"]
    assert join_spellings(classes, ["a", "b", "c", "d"], "pets") == classes and not caplog.text


def test_folders_of_splits_share_the_class(tmp_path):
    known = open_photos(
        make(tmp_path, "train/Cat/1.jpg", "train/Dog/1.jpg", "test/cat/1.jpg", "test/dog/1.jpg")
    ).metadata
    assert len(known.class_names) == 2 and known.labels == [0, 1, 0, 1]


def test_tables_of_splits_share_the_class(tmp_path):
    make(tmp_path, "train/a.jpg", "train/b.jpg", "test/c.jpg", "test/d.jpg")
    (tmp_path / "train.csv").write_text("file,label\na.jpg,Cat\nb.jpg,Dog\n")
    (tmp_path / "test.csv").write_text("file,label\nc.jpg,cat\nd.jpg,dog\n")
    assert len(open_photos(tmp_path).metadata.class_names) == 2


def test_parquet_of_splits_shares_the_class(tmp_path):
    for split, names in (("train", ["Cat", "Dog"]), ("test", ["cat", "dog"])):
        rows = {"image": [jpeg((n, n, 0)) for n in (1, 2)], "label": names}
        pq.write_table(pa.table(rows), tmp_path / f"{split}-00000.parquet")
    known = open_photos(tmp_path).metadata
    assert len(known.class_names) == 2 and sorted(known.labels) == [0, 0, 1, 1]
