"""Where a result may go is known before any work, and nothing of another kind is replaced unasked."""

from __future__ import annotations

import os

import pytest

from clip_pipeline.errors import StoreError
from clip_pipeline.storage.published import (
    OWN_MARK,
    check_growing_folder,
    check_output_file,
    check_output_folder,
    published_folder,
)

TRAINING = {"command": "train", "photos": "/photos", "training.epochs": 3, "captions": None}


@pytest.fixture
def model(tmp_path):
    place = tmp_path / "model"
    with published_folder(place, TRAINING) as (folder, _):
        (folder / "weights").write_text("weights")
    return place


@pytest.mark.parametrize("name", ["scores", "scores/", "new/"])
def test_a_folder_where_a_file_is_expected_is_named(tmp_path, name):
    (tmp_path / "scores").mkdir()
    with pytest.raises(StoreError, match="is a folder, a file was expected. Name a file with -o"):
        check_output_file(f"{tmp_path}/{name}")


@pytest.mark.parametrize("check", [check_output_file, check_output_folder, check_growing_folder])
class TestEveryOutput:
    def test_may_lie_in_folders_that_are_not_there_yet(self, tmp_path, check):
        check(tmp_path / "a/b/c.json")
        assert list(tmp_path.iterdir()) == []

    def test_cannot_lie_below_a_file(self, tmp_path, check):
        (tmp_path / "notes.txt").write_text("mine")
        with pytest.raises(StoreError, match=r"notes\.txt is a file, so that there can be no .*c\.json"):
            check(tmp_path / "notes.txt/c.json")

    def test_cannot_lie_where_one_may_not_write(self, tmp_path, check, monkeypatch):
        monkeypatch.setattr(os, "access", lambda path, mode: False)
        with pytest.raises(StoreError, match="You may not write in "):
            check(tmp_path / "a/c.json")


@pytest.mark.parametrize("check", [check_output_folder, check_growing_folder])
def test_a_file_where_a_folder_is_expected_is_named(tmp_path, check):
    (tmp_path / "model").write_text("mine")
    with pytest.raises(StoreError, match="model is a file, a folder was expected"):
        check(tmp_path / "model")


def test_the_same_made_again_takes_the_place_of_the_first(model):
    with published_folder(model, TRAINING) as (folder, _):
        (folder / "weights").write_text("again")
    assert (model / "weights").read_text() == "again"


@pytest.mark.parametrize(
    ("made", "sentence"),
    [
        ({**TRAINING, "training.epochs": 4}, "another result of `train`: training.epochs 3 there, 4 here. Choose"),
        ({**TRAINING, "captions": "a.csv"}, "another result of `train`: captions none there, a.csv here"),
        ({**TRAINING, "command": "embed"}, "holds what `clip-pipeline train` wrote, and this is `embed`"),
        ({"command": "train", "photos": 1, "captions": 2, "training.epochs": 4, "more": 5}, "; training.epochs 3 there, 4 here. "),
    ],
)  # fmt: skip
def test_another_result_is_replaced_only_where_that_is_asked_for(model, made, sentence):
    with pytest.raises(StoreError) as refused, published_folder(model, made):
        pytest.fail("There was work before it was refused.")
    assert sentence in str(refused.value) and "--replace" in str(refused.value)
    assert (model / "weights").read_text() == "weights"
    with published_folder(model, made, replace=True):
        pass
    assert [path.name for path in model.iterdir()] == [OWN_MARK]
    check_output_folder(model, made)


@pytest.mark.parametrize(
    "mark", ["This folder was written by clip-pipeline, which may replace it.\n", "", "[1]", "\x00{"]
)
def test_a_result_of_which_nothing_is_known_is_not_replaced_unasked(model, mark):
    (model / OWN_MARK).write_text(mark)
    with pytest.raises(StoreError, match="a result of which nothing is known"):
        check_output_folder(model, TRAINING)
    check_output_folder(model, TRAINING, replace=True)


def test_a_setting_that_came_with_a_version_makes_no_other_result(model):
    check_output_folder(model, {**TRAINING, "training.new": 1})


def test_someone_elses_files_are_never_replaced(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.txt").write_text("precious")
    with pytest.raises(StoreError, match="did not write"):
        check_output_folder(tmp_path / "mine", TRAINING, replace=True)
