from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from clip_pipeline.evaluation.datasets import Dataset, open_dataset
from clip_pipeline_tests.made.tiny_model import jpeg

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def write_webdataset(monkeypatch):
    """Of benchmarks/scores.py."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    yield importlib.import_module("scores").write_webdataset
    sys.modules.pop("scores", None)


def test_a_labelled_dataset_is_read_back_as_it_was(write_webdataset, tmp_path):
    photos = [jpeg((10 * row, 0, 0)) for row in range(6)]
    names, templates = ("red cup", "ball"), ("a {c}", "the {c}")
    dataset = Dataset(
        "x", [f"p{row}" for row in range(6)], ["val"] * 6, photos.__getitem__, [0, 1] * 3, names, templates
    )
    assert write_webdataset(dataset, tmp_path / "out", 10) == 6
    read = open_dataset(tmp_path / "out")
    assert (read.labels, read.class_names, read.templates) == ([0, 1] * 3, names, templates)
    assert [read.read(row) for row in range(6)] == photos
    assert set(read.splits) == {"test"}
    assert (tmp_path / "out" / "test" / "nshards.txt").read_text() == "1\n"


def test_captions_are_read_back_and_photos_are_picked_evenly(write_webdataset, tmp_path):
    photos = [jpeg((10 * row, 0, 0)) for row in range(9)]
    captions = [[f"one of {row}", f"two of {row}"] for row in range(9)]
    dataset = Dataset("x", [f"p{row}" for row in range(9)], ["test"] * 9, photos.__getitem__, captions=captions)
    assert write_webdataset(dataset, tmp_path / "out", 3) == 3
    read = open_dataset(tmp_path / "out")
    assert read.captions == [captions[row] for row in (0, 3, 6)]
    assert (tmp_path / "out" / "dataset_type.txt").read_text() == "retrieval\n"
