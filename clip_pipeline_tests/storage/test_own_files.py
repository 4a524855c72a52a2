"""Hashes of the user's own files and folders."""

from __future__ import annotations

import json
import os

from clip_pipeline.storage.own_files import OwnFiles


def test_hashes_of_own_files_are_remembered_until_the_file_changes(tmp_path):
    own = tmp_path / "dump.xml"
    own.write_text("one")
    files = OwnFiles(tmp_path / "data")
    first = files.hash_file(own)
    assert json.loads((tmp_path / "data/.cache/file_hashes.json").read_text())[str(own)][2] == first
    own.write_text("two")
    os.utime(own, (1, 1))
    assert files.hash_file(own) != first


def test_a_folder_is_known_by_its_names_sizes_and_times_and_listed_once(tmp_path):
    folder = tmp_path / "photos"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub/a.jpg").write_bytes(b"one")
    (folder / "broken").symlink_to(tmp_path / "nowhere")  # such as editors leave
    files = OwnFiles(tmp_path / "data")
    first = files.hash_folder(folder)
    assert OwnFiles(tmp_path / "data").hash_folder(folder) == first
    os.utime(folder / "sub/a.jpg", (1, 1))
    assert files.hash_folder(folder) == first, "one object lists a folder once"
    touched = OwnFiles(tmp_path / "data").hash_folder(folder)
    (folder / "sub/a.jpg").rename(folder / "sub/b.jpg")
    renamed = OwnFiles(tmp_path / "data").hash_folder(folder)
    assert len({first, touched, renamed}) == 3
