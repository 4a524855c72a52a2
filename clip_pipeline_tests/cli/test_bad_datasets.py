"""What the command line says of datasets that cannot be scored: one sentence each, found, expected, what to do."""

from __future__ import annotations

import numpy as np
import pytest
from click.testing import CliRunner

from clip_pipeline.cli import commands
from clip_pipeline.errors import DatasetError, ModelError
from clip_pipeline_tests.evaluation.datasets.forms import idx_bytes, write_cifar10, write_idx, write_photos
from clip_pipeline_tests.made.tiny_model import build_tiny_model
from clip_pipeline_tests.models.test_pretrained import no_network  # noqa: F401 - a fixture


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return build_tiny_model(tmp_path_factory.mktemp("model"))


def evaluate(model, dataset: object, tmp_path):
    arguments = ["evaluate", "--model", model, "--dataset", dataset, "-o", tmp_path / "scores.json", "--device", "cpu"]
    return CliRunner().invoke(commands, list(map(str, arguments)))


def unlabelled(folder):
    return write_photos(folder, ["a.jpg", "b.jpg"])


def one_class(folder):
    return write_photos(folder, ["cup/a.jpg", "cup/b.jpg"])


def class_missing_in_a_split(folder):
    names = [
        f"{split}/{one}/1.jpg"
        for split in ("train", "test")
        for one in ["airplane", "automobile", "bird", "cat", "deer", "dog"]
    ]
    write_photos(folder, [*names, *(f"train/{one}/1.jpg" for one in ["frog", "horse", "ship", "truck"])])
    return f"cifar10={folder}"


def labels_of_other_images(folder):
    write_idx(folder, {"train": 30, "test": 20}, packed=False)
    (folder / "t10k-labels-idx1-ubyte").write_bytes(idx_bytes(np.zeros(7, np.uint8)))
    return f"mnist={folder}"


def a_list_of_other_photos(folder):
    write_photos(folder, ["images/sushi/1.jpg", "images/tacos/1.jpg"])
    (folder / "meta").mkdir()
    for split in ("train", "test"):
        (folder / "meta" / f"{split}.txt").write_text("sushi/1\ntacos/2\n")
    return f"food101={folder}"


def captions_of_other_photos(folder):
    write_photos(folder, ["a.jpg", "b.jpg"])
    (folder / "captions.csv").write_text("file,caption\nx.jpg,a cup\ny.jpg,a ball\n")
    return folder


def batches_of_the_other_cifar(folder):
    write_cifar10(folder, 2)
    (folder / "test_batch").rename(folder / "train")
    (folder / "data_batch_1").rename(folder / "test")
    return f"cifar100={folder}"


def a_web_page_in_place_of_images(folder):
    write_idx(folder, {"train": 30, "test": 20}, packed=False)
    (folder / "train-images-idx3-ubyte").write_text("<html>not found</html>")
    return f"mnist={folder}"


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (
            unlabelled,
            "2 photos without labels and without captions. To score a model, put them into one folder a class",
        ),
        (one_class, 'has photos of one class only ("cup"). Zero-shot needs at least two'),
        (
            class_missing_in_a_split,
            "4 of its 10 classes have no photo in the test split (frog, horse, ship, truck). Get it again",
        ),
        (labels_of_other_images, "has 20 images and t10k-labels-idx1-ubyte 7 labels, so they cannot be joined"),
        (a_list_of_other_photos, "names 2 photos, and 1 of them are not in"),
        (captions_of_other_photos, "None of the 2 files that"),
        (batches_of_the_other_cifar, "is no batch of CIFAR-100"),
        (
            a_web_page_in_place_of_images,
            "is no idx file, it looks like a page of HTML. Files such as train-images-idx3-ubyte.gz",
        ),
        (lambda folder: "cifar10O", 'Did you mean "cifar10"'),
        (lambda folder: "cifar=/data", 'There is no dataset "cifar". Did you mean "cifar10"'),
        (lambda folder: "imagenet", "ImageNet (ILSVRC 2012) is read from files: write imagenet=PATH"),
        (lambda folder: "flickr8k=/no/where", 'There is no dataset "/no/where"'),
    ],
)
def test_a_dataset_that_cannot_be_scored_gets_its_sentence(model, tmp_path, make, sentence):
    (tmp_path / "data").mkdir()
    result = evaluate(model, make(tmp_path / "data"), tmp_path)
    assert isinstance(result.exception, DatasetError), result.exception
    assert sentence in str(result.exception)
    assert not (tmp_path / "scores.json").exists()


def test_files_that_are_no_photos_are_left_out_and_told(model, tmp_path, caplog):
    folder = write_photos(tmp_path / "pets", ["cat/1.jpg", "cat/2.jpg", "dog/1.jpg", "dog/2.jpg"])
    (folder / "cat" / "list.docx").write_bytes(b"words")
    result = evaluate(model, folder, tmp_path)
    assert result.exit_code == 0, result.exception
    assert '1 of "file that is no photo", such as "cat/list.docx"' in caplog.text


def test_classes_of_your_own_that_a_split_lacks_are_told(model, tmp_path, caplog):
    folder = write_photos(
        tmp_path / "pets", ["train/cat/1.jpg", "train/dog/1.jpg", "train/emu/1.jpg", "test/cat/1.jpg", "test/dog/1.jpg"]
    )
    assert evaluate(model, folder, tmp_path).exit_code == 0
    assert "1 of 3 classes have no photo in the test split (emu). They are no candidates there" in caplog.text


def test_a_pretrained_name_without_network_says_what_to_do(no_network, tmp_path):  # noqa: F811
    photo = write_photos(tmp_path, ["a.jpg"]) / "a.jpg"
    result = CliRunner().invoke(
        commands,
        ["classify", str(photo), "--labels", "a, b", "--model", "ViT-B-32/laion2b_s34b_b79k", "--device", "cpu"],
    )
    assert isinstance(result.exception, ModelError)
    assert "cannot be reached. Where there is network, run `hf download" in str(result.exception)
