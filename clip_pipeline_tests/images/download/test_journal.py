"""The journal of finished attempts, whole, cut and damaged."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clip_pipeline.images.download.journal import HEADER, MARK, Journal
from clip_pipeline_tests.made.damage import KINDS, damage

ATTEMPTS = [({"id": f"p{n}", "url": f"http://x/{n}", "status": "success"}, bytes([n]) * (n * 300)) for n in range(6)]


def written(folder: Path) -> Path:
    journal = Journal(folder)
    for about, photo in ATTEMPTS:
        journal.write(about, photo)
    journal.close()
    (path,) = folder.iterdir()
    return path


def found(folder: Path) -> list[tuple[dict, bytes]]:
    journal = Journal(folder)
    attempts = [journal.read(key) for about, _ in ATTEMPTS if (key := (about["id"], about["url"])) in journal]
    journal.close()
    return attempts


def test_attempts_are_there_again_in_the_next_run_and_more_are_added(tmp_path):
    written(tmp_path)
    assert found(tmp_path) == ATTEMPTS
    journal = Journal(tmp_path)
    assert ("p1", "http://x/elsewhere") not in journal
    journal.write({"id": "new", "url": "u", "text": "Äpfel \U0001f34e"}, b"photo")
    assert journal.read(("new", "u")) == ({"id": "new", "url": "u", "text": "Äpfel \U0001f34e"}, b"photo")
    journal.close()
    assert found(tmp_path) == ATTEMPTS
    assert len(list(tmp_path.iterdir())) == 2


@settings(max_examples=60, deadline=None)
@given(kept=st.floats(0, 1))
def test_wherever_a_segment_was_cut_all_whole_attempts_before_it_are_there(tmp_path_factory, kept):
    folder = tmp_path_factory.mktemp("journal")
    path = written(folder)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    attempts = found(folder)
    assert attempts == ATTEMPTS[: len(attempts)]
    if kept == 1:
        assert attempts == ATTEMPTS


@settings(max_examples=60, deadline=None)
@given(place=st.floats(0, 1, exclude_max=True), change=st.integers(1, 255))
def test_a_damaged_byte_hides_what_follows_and_changes_nothing(tmp_path_factory, place, change):
    folder = tmp_path_factory.mktemp("journal")
    path = written(folder)
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= change
    path.write_bytes(content)
    attempts = found(folder)
    assert len(attempts) < len(ATTEMPTS)
    assert attempts == ATTEMPTS[: len(attempts)]


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_lies_in_the_place_of_a_segment_is_as_if_it_had_never_been(tmp_path, kind):
    damage(written(tmp_path / "journal"), kind)
    assert found(tmp_path / "journal") == (ATTEMPTS if kind == "a link" else [])


def test_a_header_that_asks_for_gigabytes_gets_none_and_a_file_of_another_name_is_no_segment(tmp_path):
    path = written(tmp_path / "journal")
    path.write_bytes(HEADER.pack(MARK, 2**32 - 1, 2**32 - 1, 0))
    path.with_name("notes.journal").write_bytes(b"x" * 100)
    assert found(tmp_path / "journal") == []
