"""Hashes of the user's own files and folders."""

from __future__ import annotations

import json
import os
import time

import pytest

from clip_pipeline.storage.user_files import TICK_NS, UserFiles
from clip_pipeline_tests.made.damage import KINDS, damage


def an_hour_old(path, content: str) -> None:
    path.write_text(content)
    os.utime(path, (time.time() - 3600,) * 2)


def memory_of(data):
    return data / ".cache/file_hashes.json"


def test_hashes_of_user_files_are_remembered_until_the_file_changes(tmp_path):
    own = tmp_path / "dump.xml"
    an_hour_old(own, "one")
    files = UserFiles(tmp_path / "data")
    first = files.hash_file(own)
    assert json.loads(memory_of(tmp_path / "data").read_text())[str(own)][2] == first
    own.write_text("two")
    os.utime(own, (1, 1))
    assert files.hash_file(own) != first


def test_a_file_that_was_changed_a_moment_ago_is_not_remembered(tmp_path):
    own = tmp_path / "dump.xml"
    own.write_text("one")
    times = own.stat()
    files = UserFiles(tmp_path / "data")
    first = files.hash_file(own)
    own.write_text("two")
    os.utime(own, ns=(times.st_atime_ns, times.st_mtime_ns))  # in the same tick of the disk's clock
    assert files.hash_file(own) != first


def test_a_folder_is_listed_when_its_newest_file_is_older_than_the_clocks_tick(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/a.jpg").write_bytes(b"one")
    UserFiles(tmp_path / "data").hash_folder(tmp_path / "photos")
    assert time.time_ns() - (tmp_path / "photos/a.jpg").stat().st_mtime_ns > TICK_NS


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_memory_is_not_believed_and_written_anew(tmp_path, caplog, kind):
    own = tmp_path / "dump.xml"
    an_hour_old(own, "one")
    data = tmp_path / "data"
    expected = UserFiles(data).hash_file(own)
    damage(memory_of(data), kind)
    assert UserFiles(data).hash_file(own) == expected
    assert json.loads(memory_of(data).read_text())[str(own)][2] == expected


def test_a_memory_whose_hashes_were_changed_is_not_believed(tmp_path, caplog):
    own = tmp_path / "dump.xml"
    an_hour_old(own, "one")
    data = tmp_path / "data"
    expected = UserFiles(data).hash_file(own)
    text = memory_of(data).read_text()
    for changed in (text.replace(expected, "0" * 64), json.dumps({str(own): [3, own.stat().st_mtime_ns, "0" * 64]})):
        memory_of(data).write_text(changed)
        assert UserFiles(data).hash_file(own) == expected
    assert "is not what was written: its checksum does not match. It is not used" in caplog.text


def test_a_folder_is_known_by_its_names_sizes_and_times_and_listed_once(tmp_path):
    folder = tmp_path / "photos"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub/a.jpg").write_bytes(b"one")
    (folder / "broken").symlink_to(tmp_path / "nowhere")  # such as editors leave
    files = UserFiles(tmp_path / "data")
    first = files.hash_folder(folder)
    assert UserFiles(tmp_path / "data").hash_folder(folder) == first
    os.utime(folder / "sub/a.jpg", (1, 1))
    assert files.hash_folder(folder) == first, "one object lists a folder once"
    touched = UserFiles(tmp_path / "data").hash_folder(folder)
    (folder / "sub/a.jpg").rename(folder / "sub/b.jpg")
    renamed = UserFiles(tmp_path / "data").hash_folder(folder)
    assert len({first, touched, renamed}) == 3
