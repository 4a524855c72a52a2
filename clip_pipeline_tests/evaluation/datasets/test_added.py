from __future__ import annotations

import pytest

from clip_pipeline.errors import DatasetError, SettingsError
from clip_pipeline.evaluation.datasets.added import (
    define_dataset,
    find_dataset,
    keep_definition,
    list_datasets,
    remove_definition,
)
from clip_pipeline.evaluation.datasets.choice import Choice
from clip_pipeline_tests.evaluation.datasets.forms import write_photos

CHOSEN = "sandbox,held_out"


@pytest.fixture
def pets(tmp_path):
    return write_photos(tmp_path / "pets", ["train/cat/1.jpg", "train/dog/1.jpg", "test/cat/2.jpg", "test/dog/2.jpg"])


def write(data, name, text) -> None:
    (data / "datasets").mkdir(exist_ok=True)
    (data / "datasets" / f"{name}.toml").write_text(text)


def test_datasets_of_the_settings_and_those_that_were_added_are_listed(tmp_path, pets):
    assert define_dataset(tmp_path, CHOSEN, str(pets)) == Choice("pets", "", str(pets))
    assert define_dataset(tmp_path, CHOSEN, f"mine={pets}") == Choice("mine", "", str(pets))
    assert list_datasets(tmp_path, CHOSEN) == ["held_out", "mine", "pets", "sandbox"]
    assert find_dataset(tmp_path, CHOSEN, "mine") == Choice("mine", "", str(pets))
    assert find_dataset(tmp_path, CHOSEN, "sandbox") == Choice("sandbox", "sandbox", "")
    remove_definition(tmp_path, CHOSEN, "mine")
    assert list_datasets(tmp_path, CHOSEN) == ["held_out", "pets", "sandbox"]


def test_a_relative_path_is_written_down_absolute(tmp_path, pets, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert define_dataset(tmp_path, CHOSEN, "pets").path == str(pets)


def test_a_name_of_the_registry_needs_no_file_and_is_kept_as_one(tmp_path):
    assert find_dataset(tmp_path, CHOSEN, "digits") == Choice("digits", "digits", "")
    keep_definition(tmp_path, CHOSEN, "digits")
    keep_definition(tmp_path, CHOSEN, "sandbox")
    assert [path.name for path in (tmp_path / "datasets").iterdir()] == ["digits.toml"]
    assert list_datasets(tmp_path, CHOSEN) == ["digits", "held_out", "sandbox"]


def test_a_dataset_of_the_registry_may_go_by_another_name(tmp_path):
    write(tmp_path, "clean_cifar", 'dataset = "cifar10=/photos"')
    assert find_dataset(tmp_path, CHOSEN, "clean_cifar") == Choice("clean_cifar", "cifar10", "/photos")


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("mine", "dataset = 3", r"mine\.toml names no dataset"),
        ("mine", "path = '/x'", r'mine\.toml has the unknown key "path"'),
        ("mine", "dataset = 'digits=/x'", r"mine\.toml: digits is read from no files of yours"),
        ("cifar10", "dataset = 'digits'", r"cifar10\.toml says that cifar10 is digits"),
        ("sandbox", "dataset = 'sandbox'", None),
        ("sandbox", "dataset = 'digits'", r"sandbox\.toml says that sandbox is digits"),
        ("held_out", "dataset = '/photos'", r"held_out is read from no files of yours"),
    ],
)
def test_a_wrong_file_is_one_sentence_that_names_it(tmp_path, name, text, sentence):
    write(tmp_path, name, text)
    if sentence is None:
        assert find_dataset(tmp_path, CHOSEN, name).entry == name
    else:
        with pytest.raises(SettingsError, match=sentence):
            find_dataset(tmp_path, CHOSEN, name)


def test_a_name_without_a_definition_says_how_to_add_one(tmp_path):
    with pytest.raises(SettingsError, match=r'no dataset "cifar10".*cifar10\.toml.*datasets add cifar10=PATH'):
        find_dataset(tmp_path, CHOSEN, "cifar10")


def test_a_name_keeps_its_meaning(tmp_path, pets):
    define_dataset(tmp_path, CHOSEN, f"mine={pets}")
    with pytest.raises(SettingsError, match='There is a dataset "mine" already'):
        define_dataset(tmp_path, CHOSEN, f"mine={tmp_path}")
    with pytest.raises(SettingsError, match='Two datasets would be called "mine"'):
        find_dataset(tmp_path, "mine=/elsewhere", "mine")
    with pytest.raises(SettingsError, match="it is of evaluation.datasets"):
        remove_definition(tmp_path, CHOSEN, "sandbox")


def test_nothing_at_the_path_is_said_at_once(tmp_path):
    with pytest.raises(DatasetError, match="no folder of that name"):
        define_dataset(tmp_path, CHOSEN, f"mine={tmp_path / 'nowhere'}")
    with pytest.raises(SettingsError, match="cannot be the name of a dataset"):
        define_dataset(tmp_path, CHOSEN, str((tmp_path / "my photos").mkdir() or tmp_path / "my photos"))
