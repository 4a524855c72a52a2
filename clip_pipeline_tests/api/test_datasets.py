"""Datasets added to a data folder from Python."""

from __future__ import annotations

import pytest

from clip_pipeline.api.datasets import add_dataset
from clip_pipeline.errors import DatasetError
from clip_pipeline_tests.evaluation.datasets.forms import write_photos


def test_a_dataset_is_opened_before_it_is_added(tmp_path):
    pets = write_photos(tmp_path / "pets", ["cat/1.jpg", "dog/1.jpg"])
    assert add_dataset(str(pets), tmp_path / "data") == "pets"
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("mine")
    one_class = write_photos(tmp_path / "one", ["cat/1.jpg", "cat/2.jpg"])
    for given, sentence in (
        (tmp_path / "empty", "empty"),
        (tmp_path / "notes.txt", "is no photo, tar, array or table of photos"),
        (one_class, "photos of one class only"),
        (f"cifar10={tmp_path / 'empty'}", "CIFAR-10 is read from"),
    ):
        with pytest.raises(DatasetError, match=sentence):
            add_dataset(str(given), tmp_path / "data")
    assert [file.name for file in (tmp_path / "data/datasets").iterdir()] == ["pets.toml"]


def test_datasets_without_files_are_added_by_their_names(tmp_path):
    assert add_dataset("digits", tmp_path / "data") == "digits"
    assert add_dataset("held_out", tmp_path / "data") == "held_out"
