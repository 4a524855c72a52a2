from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from clip_pipeline.errors import DatasetError
from clip_pipeline.evaluation.datasets import open_dataset
from clip_pipeline.evaluation.datasets.opening import open_entry
from clip_pipeline_tests.evaluation.datasets.forms import idx_bytes, small, tar_of, write_cifar10, write_idx

MNIST = small("mnist", {"train": 40, "test": 20})
CIFAR = small("cifar10", {"train": 100, "test": 20}, {"train": 10, "test": 2})


def pixels(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)))


@pytest.mark.parametrize(("packed", "below"), [(True, ""), (False, ""), (True, "MNIST/raw")])
def test_idx_files_are_read_packed_or_not(tmp_path, packed, below):
    images = write_idx(tmp_path / below, {"train": 40, "test": 20}, packed)
    dataset = open_entry(MNIST, tmp_path)
    assert (len(dataset.ids), dataset.splits.count("test"), dataset.part) == (60, 20, "")
    assert dataset.class_names == tuple("0123456789")
    assert dataset.templates == ('a photo of the number: "{c}".',)
    assert (dataset.ids[0], dataset.ids[40], dataset.ids[-1]) == ("train/00000", "test/00000", "test/00019")
    assert dataset.labels[43] == 3
    for row, expected in ((0, images["train"][0]), (39, images["train"][39]), (40, images["test"][0])):
        assert np.array_equal(pixels(dataset.read(row)), expected)


def test_labels_that_do_not_join_the_images_are_told(tmp_path):
    write_idx(tmp_path, {"train": 40, "test": 20}, packed=False)
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(idx_bytes(np.zeros(19, np.uint8)))
    with pytest.raises(
        DatasetError, match="has 20 images and t10k-labels-idx1-ubyte 19 labels, so they cannot be joined"
    ):
        open_entry(MNIST, tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(DatasetError, match="has no t10k-labels-idx1-ubyte beside it"):
        open_entry(MNIST, tmp_path)


def test_a_label_that_is_no_class_is_told(tmp_path):
    write_idx(tmp_path, {"train": 40, "test": 20}, packed=False)
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(idx_bytes(np.full(20, 11, np.uint8)))
    with pytest.raises(DatasetError, match="has the classes 0 to 9, and a label here is 11"):
        open_entry(MNIST, tmp_path)


def test_a_cut_idx_file_is_told(tmp_path):
    write_idx(tmp_path, {"train": 40, "test": 20}, packed=False)
    path = tmp_path / "t10k-labels-idx1-ubyte"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DatasetError, match="holds less than the 28 bytes that it says"):
        open_entry(MNIST, tmp_path)


def test_another_file_under_the_name_is_told(tmp_path):
    write_idx(tmp_path, {"train": 40, "test": 20}, packed=False)
    (tmp_path / "t10k-labels-idx1-ubyte").write_text("a web page")
    with pytest.raises(DatasetError, match="is no idx file, it looks like text"):
        open_entry(MNIST, tmp_path)


def test_digits_of_folders_are_mnist_too(tmp_path):
    from clip_pipeline_tests.evaluation.datasets.forms import write_photos

    write_photos(
        tmp_path, [f"{split}/{digit}/{n}.png" for split in ("train", "test") for digit in range(10) for n in "ab"]
    )
    dataset = open_entry(small("mnist", {"train": 20, "test": 20}), tmp_path)
    assert dataset.class_names[dataset.labels[dataset.ids.index("test/7/a")]] == "7"


@pytest.mark.parametrize("form", ["folder", "folder above", "tar"])
def test_cifars_batches_are_read_with_nothing_run(tmp_path, form):
    test = write_cifar10(tmp_path / "cifar-10-batches-py", 20)
    path = {"folder": tmp_path / "cifar-10-batches-py", "folder above": tmp_path}.get(form)
    dataset = open_entry(CIFAR, path or tar_of(tmp_path / "cifar-10-batches-py", tmp_path / "cifar-10-python.tar"))
    assert (len(dataset.ids), dataset.splits.count("test"), len(dataset.templates)) == (120, 20, 18)
    assert dataset.class_names[dataset.labels[-1]] == "truck"
    expected = test[-1].reshape(3, 32, 32).transpose(1, 2, 0)
    assert np.array_equal(pixels(dataset.read(119)), expected)


def test_digits_need_no_file():
    from sklearn.datasets import load_digits

    dataset = open_dataset("digits")
    assert (len(dataset.ids), dataset.splits.count("train"), dataset.part) == (1797, 1347, "")
    told = load_digits()
    assert dataset.labels == told.target.tolist()
    assert np.array_equal(pixels(dataset.read(5)), np.round(told.images[5] * 255 / 16))


def test_real_mnist_is_whole(shared_data):
    dataset = open_dataset(f"mnist={shared_data('mnist')}")
    assert (len(dataset.ids), dataset.part) == (70_000, "")
    assert dataset.labels[:5] == [5, 0, 4, 1, 9]
    assert pixels(dataset.read(0)).sum() == 27_525  # of the first image, as torchvision reads it
