from __future__ import annotations

import pickle

import numpy as np
import pytest

from clip_pipeline.errors import PhotosError
from clip_pipeline.sources.photos.formats.cifar import read_cifar
from clip_pipeline_tests.evaluation.datasets.forms import python_2_pickle, tar_bytes, write_cifar10


class Harmful:
    def __reduce__(self):
        return eval, ("__import__('pathlib').Path('harmed').write_text('x')",)


def test_a_pickle_that_would_run_something_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_cifar10(tmp_path, 2)
    (tmp_path / "test_batch").write_bytes(pickle.dumps({b"data": Harmful()}))
    with pytest.raises(PhotosError, match="test_batch is no batch of CIFAR-10 .*it asks for builtins.eval"):
        read_cifar(tmp_path, 10)
    assert not (tmp_path / "harmed").exists()


def test_pixels_of_a_folder_stay_on_the_disk(tmp_path):
    expected = write_cifar10(tmp_path, 3)
    pixels = read_cifar(tmp_path, 10)[-1].pixels()
    assert isinstance(pixels, np.memmap) and np.array_equal(pixels, expected)


def test_what_python_3_pickled_is_read_too(tmp_path):
    pixels = np.arange(2 * 3072, dtype=np.uint8).reshape(2, 3072)
    for name in ("train", "test"):
        batch = {b"data": pixels, b"fine_labels": [0, 99]}
        (tmp_path / name).write_bytes(pickle.dumps(batch, protocol=2))
    batches = read_cifar(tmp_path, 100)
    assert [batch.split for batch in batches] == ["train", "test"]
    assert batches[0].labels == [0, 99] and np.array_equal(batches[0].pixels(), pixels)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no pickle", "is no batch of CIFAR-10"),
        (pickle.dumps({b"labels": [1]}), "is no batch of CIFAR-10 .KeyError"),
        (python_2_pickle(np.zeros((2, 3072), np.uint8), [1], "labels"), r"shape \(2, 3072\) and 1 labels"),
        (python_2_pickle(np.zeros((2, 3072), np.uint8), [1, 2], "fine_labels"), "give the data set that it belongs to"),
    ],
)
def test_a_damaged_batch_is_told(tmp_path, content, message):
    write_cifar10(tmp_path, 2)
    (tmp_path / "test_batch").write_bytes(content)
    with pytest.raises(PhotosError, match=message):
        read_cifar(tmp_path, 10)


def test_a_missing_batch_is_told(tmp_path):
    write_cifar10(tmp_path, 2)
    (tmp_path / "data_batch_3").unlink()
    with pytest.raises(PhotosError, match="lacks data_batch_3 of the train split"):
        read_cifar(tmp_path, 10)


def test_a_tar_of_something_else_is_told(tmp_path):
    (tmp_path / "cifar-10-python.tar.gz").write_bytes(tar_bytes({"a.txt": b"a"}, "w:gz"))
    with pytest.raises(PhotosError, match="holds none of data_batch_1"):
        read_cifar(tmp_path / "cifar-10-python.tar.gz", 10)
    (tmp_path / "cifar-10-python.tar.gz").write_bytes(b"<html>")
    with pytest.raises(PhotosError, match="is no whole tar"):
        read_cifar(tmp_path / "cifar-10-python.tar.gz", 10)
