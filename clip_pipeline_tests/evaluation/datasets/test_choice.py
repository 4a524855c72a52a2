from __future__ import annotations

import pytest

from clip_pipeline.errors import DatasetError, SettingsError
from clip_pipeline.evaluation.datasets import open_dataset
from clip_pipeline.evaluation.datasets.choice import Choice, parse_choice, parse_choices
from clip_pipeline_tests.evaluation.datasets.forms import tar_of, write_photos


@pytest.mark.parametrize(
    ("text", "choice"),
    [
        ("digits", Choice("digits", "digits", "")),
        ("held_out", Choice("held_out", "held_out", "")),
        ("cifar10=/data/cifar", Choice("cifar10", "cifar10", "/data/cifar")),
        ("pets=/data/cats and dogs.tar", Choice("pets", "", "/data/cats and dogs.tar")),
        ("/data/pets.tar", Choice("pets", "", "/data/pets.tar")),
        ("/data/a=b/things", Choice("things", "", "/data/a=b/things")),
        ("/data/one|two", Choice("one_two", "", "/data/one|two")),
    ],
)
def test_a_name_a_named_path_or_a_path(text, choice):
    assert parse_choice(text) == choice


def test_several_stand_with_commas_between():
    assert list(parse_choices(" sandbox, digits,cifar10=/x ,, /data/pets ")) == ["sandbox", "digits", "cifar10", "pets"]
    with pytest.raises(SettingsError, match='Two datasets would be called "pets": /a/pets and /b/pets'):
        parse_choices("/a/pets,/b/pets")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("digits=/x", "digits is read from no files of yours"),
        ("held_out=/x", "held_out is read from no files of yours"),
    ],
)
def test_a_name_whose_dataset_needs_no_files_is_told(text, message):
    with pytest.raises(DatasetError, match=message):
        parse_choice(text)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("tiny_imgenet", 'Did you mean "tiny_imagenet"'),
        ("cifar10", "CIFAR-10 is read from files: write cifar10=PATH.*clip-pipeline datasets download cifar10 FOLDER"),
        ("flickr8k", "Ask for it at https"),
        ("cifar=/no/where", 'There is no dataset "cifar". Did you mean "cifar10".*nothing at /no/where'),
        ("pets=/no/where", 'There is no dataset "/no/where"'),
        ("sandbox", "exists within the pipeline only"),
        ("held_out", "is the test split of the pairs and exists within the pipeline only"),
    ],
)
def test_what_is_not_there_is_told_with_what_to_do(given, message):
    with pytest.raises(DatasetError, match=message):
        open_dataset(given)


def test_a_word_of_the_registry_stands_for_a_folder_of_that_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_photos(tmp_path / "cifar10", ["test/cat/1.jpg", "test/dog/1.jpg"])
    with pytest.raises(
        DatasetError, match="cifar10 is no whole CIFAR-10: 8 of its 10 classes have no photo in the test split"
    ):
        open_dataset("cifar10")
    assert open_dataset(tmp_path / "cifar10").class_names == ("cat", "dog")


@pytest.mark.parametrize("name", ["imagenetv2", "emnist", "kmnist", "cifar10_1", "food11", "cifar"])
def test_a_name_like_one_of_the_registry_is_one_of_your_own_and_said(tmp_path, caplog, name):
    dataset = open_dataset(f"{name}={write_photos(tmp_path / 'x', ['cat/1.jpg', 'dog/1.jpg'])}")
    assert (dataset.name, dataset.class_names) == (name, ("cat", "dog"))
    assert f'"{name}" is no name of the registry' in caplog.text


def test_files_of_your_own_may_have_a_name(tmp_path):
    folder = write_photos(tmp_path / "x", ["cat/1.jpg", "dog/1.jpg"])
    assert open_dataset(f"pets={folder}").name == "pets"
    packed = open_dataset(str(tar_of(folder, tmp_path / "y.tar")))
    assert (packed.name, packed.class_names, packed.ids) == ("y", ("cat", "dog"), ["cat/1", "dog/1"])
