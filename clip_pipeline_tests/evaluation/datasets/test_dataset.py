from __future__ import annotations

import pyarrow as pa
import pytest

from clip_pipeline.errors import DatasetError
from clip_pipeline.evaluation.datasets import held_out_captions, only_split, open_dataset
from clip_pipeline_tests.evaluation.datasets.test_files import BLUE, benchmark_folder


def test_one_split_of_a_dataset(tmp_path):
    part = only_split(open_dataset(benchmark_folder(tmp_path / "things")), "test")
    assert (part.ids, part.labels) == (["test/0/s0", "test/0/s1", "test/1/s2"], [0, 2, 0])
    assert part.read(1) == BLUE
    with pytest.raises(DatasetError, match='things has no split "tset". Did you mean "test"'):
        only_split(open_dataset(tmp_path / "things"), "tset")


def test_captions_of_the_held_out_photos_are_gathered_by_photo():
    pairs = pa.table(
        {
            "photo_id": ["b", "a", "a", "c"],
            "caption_index": pa.array([0, 1, 0, 0], pa.int32()),
            "caption": ["b0", "a1", "a0", "c0"],
            "split": ["test", "test", "test", "train"],
        }
    )
    assert held_out_captions(pairs) == [("a", ["a0", "a1"]), ("b", ["b0"])]
