"""Results outside the data folder: whole, or not there."""

from __future__ import annotations

import pytest

from clip_pipeline.errors import StoreError
from clip_pipeline.publication import published_file, published_folder


def test_a_published_file_is_whole_or_not_there(tmp_path):
    with pytest.raises(RuntimeError), published_file(tmp_path / "out.txt") as path:
        path.write_text("half")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
    with published_file(tmp_path / "out.txt") as path:
        path.write_text("whole")
    assert [p.name for p in tmp_path.iterdir()] == ["out.txt"]


def test_a_published_folder_replaces_its_own_but_not_someone_elses_files(tmp_path):
    for text in ("one", "two"):
        with published_folder(tmp_path / "model") as (folder, _):
            (folder / "weights").write_text(text)
    assert (tmp_path / "model/weights").read_text() == "two"
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.txt").write_text("precious")
    with pytest.raises(StoreError, match="did not write"), published_folder(tmp_path / "mine"):
        pass
    assert (tmp_path / "mine/thesis.txt").read_text() == "precious"
