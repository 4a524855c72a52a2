"""Splits of a single class are known before anything is embedded."""

from __future__ import annotations

import pytest

from clip_pipeline.errors import DatasetError
from clip_pipeline.evaluation.datasets import open_dataset
from clip_pipeline.evaluation.datasets.scored_splits import scored_splits
from clip_pipeline_tests.evaluation.datasets.forms import write_photos


def test_a_split_of_one_class_is_left_out_and_said(tmp_path, caplog):
    dataset = open_dataset(write_photos(tmp_path / "pets", ["train/cat/1.jpg", "train/dog/1.jpg", "val/cat/1.jpg"]))
    scored = scored_splits(dataset)
    assert (scored.ids, scored.labels, scored.splits) == (["train/cat/1", "train/dog/1"], [0, 1], ["train", "train"])
    assert scored.read(1) == (tmp_path / "pets/train/dog/1.jpg").read_bytes()
    assert 'Left out of pets: 1 of "photos of the split val, which are of one class only (cat)' in caplog.text


def test_splits_of_one_class_each_are_an_error(tmp_path):
    dataset = open_dataset(write_photos(tmp_path / "pets", ["train/dog/1.jpg", "val/cat/1.jpg"]))
    with pytest.raises(DatasetError, match=r'one class only in each of its splits \(train: "dog", val: "cat"\)'):
        scored_splits(dataset)


def test_captions_and_splits_of_several_classes_stay_as_they_are(tmp_path):
    dataset = open_dataset(write_photos(tmp_path / "pets", ["train/cat/1.jpg", "train/dog/1.jpg"]))
    assert scored_splits(dataset) is dataset
    write_photos(tmp_path / "x", ["a.jpg"])
    (tmp_path / "x" / "captions.csv").write_text("file,caption\na.jpg,a cup\n")
    captioned = open_dataset(tmp_path / "x")
    assert scored_splits(captioned) is captioned
