"""Shards in a folder of the user's choice: each whole or not there, and what a killed writer left is gone after the next."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from clip_pipeline.errors import StoreError
from clip_pipeline.storage.shard_folder import (
    only_writer_of_shards,
    published_shard,
    remove_other_shards,
    shard_stats,
)
from clip_pipeline_tests.made.damage import KINDS, damage


def write_shard(folder: Path, work: Path, reusable: bool) -> dict[str, int]:
    for ending in (".tar", ".parquet"):
        (folder / f"00000{ending}").write_text("x")
    (folder / "00000_stats.json").write_text(json.dumps({"count": 1}))
    (work / "1.journal").write_text("x")
    return {"count": 1}


def test_a_finished_shard_loses_what_a_killed_run_left_behind_it(tmp_path):
    published_shard(tmp_path, "00000", "plan", "settings", write_shard)
    for rest in (".00000.work/settings", ".00000.staging"):
        (tmp_path / rest).mkdir(parents=True)
        (tmp_path / rest / "1.journal").touch()
    assert published_shard(tmp_path, "00000", "plan", "settings", write_shard)["count"] == 1
    assert {path.name for path in tmp_path.iterdir()} == {"00000.tar", "00000.parquet", "00000_stats.json"}


@pytest.mark.slow
def test_a_shard_is_published_although_someone_still_writes_into_its_work_folder(tmp_path):
    for run in range(20):
        output = tmp_path / str(run)
        started = threading.Event()

        def keep_writing(work: Path, started: threading.Event) -> None:
            number = 0
            while work.is_dir():
                started.set()
                try:
                    (work / f"{number}.journal").touch()
                except FileNotFoundError:
                    return
                number += 1

        def build(folder: Path, work: Path, reusable: bool, started: threading.Event = started) -> dict[str, int]:
            threading.Thread(target=keep_writing, args=(work, started), daemon=True).start()
            started.wait()
            return write_shard(folder, work, reusable)

        published_shard(output, "00000", "plan", "settings", build)
        assert shard_stats(output, "00000")["count"] == 1
        assert len(list(output.iterdir())) == 3


def test_a_shard_whose_removal_was_killed_is_gone_after_the_next_writer_and_one_that_was_ready_is_there(tmp_path):
    for shard in ("00000", "00001"):
        for ending in (".tar", ".parquet", "_stats.json"):
            (tmp_path / f"{shard}{ending}").write_text("{}")
    (tmp_path / "00000_stats.json").rename(tmp_path / ".00000.removed")
    (tmp_path / "00000.parquet").unlink()
    (tmp_path / ".00001.ready").mkdir()
    (tmp_path / ".00001.ready" / "00001_stats.json").write_text('{"plan": "new"}')
    with only_writer_of_shards(tmp_path):
        pass
    assert {path.name for path in tmp_path.iterdir()} == {"00001.tar", "00001.parquet", "00001_stats.json"}
    assert shard_stats(tmp_path, "00001") == {"plan": "new"}


def test_the_pieces_of_a_shard_that_the_list_has_no_more_go_with_it(tmp_path):
    (tmp_path / ".00007.work" / "settings").mkdir(parents=True)
    assert remove_other_shards(tmp_path, ["00000"]) == []
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_place_of_the_folder_is_a_sentence(tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(StoreError, match="is a file, a folder was expected"), only_writer_of_shards(tmp_path / "out"):
        pass


@pytest.mark.parametrize("kind", KINDS)
def test_a_shard_with_damaged_stats_is_not_complete(tmp_path, kind):
    for ending in (".tar", ".parquet"):
        (tmp_path / f"00000{ending}").write_bytes(b"x")
    (tmp_path / "00000_stats.json").write_text('{"plan": "a", "settings": "b"}')
    assert shard_stats(tmp_path, "00000")["plan"] == "a"
    damage(tmp_path / "00000_stats.json", kind)
    assert shard_stats(tmp_path, "00000") == {}
