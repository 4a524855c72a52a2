from __future__ import annotations

import hashlib
import json

import pyarrow.parquet as pq
import pytest

from clip_pipeline.errors import DatasetError
from clip_pipeline.evaluation.datasets import open_dataset
from clip_pipeline.evaluation.datasets.listing import write_listing
from clip_pipeline_tests.evaluation.datasets.forms import write_photos


def test_a_list_holds_every_photo_and_the_classes(tmp_path):
    folder = write_photos(tmp_path / "pets", ["test/cat/1.jpg", "test/dog/1.jpg", "train/dog/1.jpg"])
    dataset = open_dataset(folder)
    (tmp_path / "out").mkdir()
    write_listing(dataset, tmp_path / "out")
    rows = pq.read_table(tmp_path / "out" / "photos.parquet").to_pylist()
    assert [(row["id"], row["split"], row["label"], row["captions"]) for row in rows] == [
        ("test/cat/1", "test", 0, None), ("test/dog/1", "test", 1, None), ("train/dog/1", "train", 1, None),
    ]  # fmt: skip
    assert rows[2]["sha256"] == hashlib.sha256((folder / "train/dog/1.jpg").read_bytes()).digest()
    assert json.loads((tmp_path / "out" / "classes.json").read_text())["names"] == ["cat", "dog"]
    (folder / "test/cat/1.jpg").unlink()
    with pytest.raises(DatasetError, match="the photo test/cat/1 cannot be read"):
        write_listing(dataset, tmp_path / "out")
