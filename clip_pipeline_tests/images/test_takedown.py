"""The list of what was taken down, and what a name leads to."""

from __future__ import annotations

import pyarrow as pa
import pytest

from clip_pipeline.errors import InputError
from clip_pipeline.images.takedown import Takedown, Takedowns, add_takedowns, find_photos, read_takedowns
from clip_pipeline_tests.made.damage import KINDS, damage
from clip_pipeline_tests.made.warm_python import start_python


def attempts(*rows: tuple[str, str | None, int | None]) -> pa.Table:
    """(id, sha256, phash) of photos whose url is http://photos/ID."""
    return pa.table(
        {
            "id": [row[0] for row in rows],
            "url": [f"http://photos/{row[0]}" for row in rows],
            "sha256": pa.array([row[1] for row in rows], pa.string()),
            "phash": pa.array([row[2] for row in rows], pa.uint64()),
        }
    )


A, B = "a" * 64, "b" * 64
SHARDS = [
    attempts(("cat", A, 7), ("cat again", A, 7), ("dog", B, 9)),
    attempts(("small cat", "c" * 64, 7), ("gone", None, None)),
]


def ids(names, shards=SHARDS) -> list[str]:
    return [photo.id for photo in find_photos(shards, names, "2026-11-21", "").photos]


@pytest.mark.parametrize("name", ["cat", "http://photos/cat", A, "cat again"])
def test_a_name_leads_to_every_photo_with_the_same_bytes(name):
    assert ids([name]) == ["cat", "cat again"]


def test_photos_that_only_look_the_same_are_told_and_left():
    found = find_photos(SHARDS, ["cat"], "", "")
    assert found.look_alikes == ("small cat",)


def test_a_photo_that_was_never_stored_is_known_by_its_id():
    assert find_photos(SHARDS, ["gone"], "d", "r").photos == (Takedown("gone", "", "d", "r", "http://photos/gone"),)


def test_a_name_that_leads_nowhere_is_told_but_a_sha256_is_kept_for_the_day_its_bytes_come():
    found = find_photos(SHARDS, ["mouse", "e" * 64], "", "")
    assert found.unknown == ("mouse",)
    assert [photo.sha256 for photo in found.photos] == ["e" * 64]


def test_the_list_grows_and_holds_each_photo_once(tmp_path):
    path = tmp_path / "takedowns.jsonl"
    add_takedowns(path, [Takedown("cat", A, "2026-11-21", "asked")])
    add_takedowns(path, [Takedown("cat", A, "2026-11-22", "asked again"), Takedown("dög", B)])
    takedowns = read_takedowns(path)
    assert [photo.id for photo in takedowns.photos] == ["cat", "dög"]
    assert takedowns.photos[0].reason == "asked"
    assert takedowns.ids == {"cat", "dög"} and takedowns.sha256s == {A, B}


def test_an_empty_list_changes_no_fingerprint_and_another_photo_does():
    assert Takedowns().inputs() == {}
    assert Takedowns((Takedown("a"),)).inputs() != Takedowns((Takedown("b"),)).inputs()


def test_a_line_that_cannot_be_read_stops_everything(tmp_path):
    path = tmp_path / "takedowns.jsonl"
    path.write_text('{"id": "cat"}\n{"id": "do\n')
    with pytest.raises(InputError, match="Line 2 of .* is no record of a photo"):
        read_takedowns(path)


@pytest.mark.parametrize("name", ["HTTP://PHOTOS/cat", "http://photos/cat#top", A.upper()])
def test_a_name_is_found_as_people_write_it(name):
    assert ids([name]) == ["cat", "cat again"]


def test_a_sha256_in_capitals_in_a_list_that_was_written_by_hand_counts(tmp_path):
    (tmp_path / "takedowns.jsonl").write_text(f'{{"sha256": "{A.upper()}"}}\n')
    assert read_takedowns(tmp_path / "takedowns.jsonl").sha256s == {A}


def test_what_was_taken_down_before_is_no_unknown_name_whatever_it_is_called(tmp_path):
    known = add_takedowns(tmp_path / "takedowns.jsonl", find_photos(SHARDS, ["cat"], "d", "r").photos)
    rest = [table.slice(2) for table in SHARDS[:1]]
    for name in ("cat", "http://photos/cat again", A):
        found = find_photos(rest, [name], "later", "again", known)
        assert found.unknown == () and {photo.date for photo in found.photos} == {"d"}
        assert add_takedowns(tmp_path / "takedowns.jsonl", found.photos) == known


@pytest.mark.parametrize("odd", ["a\u2028b", "a\u0085b", "-\x1cid"])
def test_an_id_with_another_end_of_line_in_it_is_read_as_it_was_written(tmp_path, odd):
    add_takedowns(tmp_path / "takedowns.jsonl", [Takedown(odd, A, "d", odd)])
    assert read_takedowns(tmp_path / "takedowns.jsonl").ids == {odd}
    assert (tmp_path / "takedowns.jsonl").read_bytes().count(b"\n") == 1


def test_six_who_add_to_the_list_at_once_lose_nothing(tmp_path):
    code = """
import sys
from pathlib import Path
from clip_pipeline.images.takedown import Takedown, add_takedowns
for number in range(20):
    add_takedowns(Path(sys.argv[1]), [Takedown(f"{sys.argv[2]} {number}")])
"""
    writers = [start_python(["-c", code, tmp_path / "takedowns.jsonl", writer]) for writer in range(6)]
    assert [writer.wait() for writer in writers] == [0] * 6
    assert len(read_takedowns(tmp_path / "takedowns.jsonl").ids) == 120


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("empty", "a dead link", "a link", "huge")])
def test_a_damaged_list_stops_everything_with_a_sentence(tmp_path, kind):
    path = tmp_path / "takedowns.jsonl"
    add_takedowns(path, [Takedown("a", "ab" * 32)])
    damage(path, kind)
    with pytest.raises(InputError, match="nothing is built until then, as a photo that was taken down could come back"):
        read_takedowns(path)


@pytest.mark.parametrize("line", ['{"idd": "a"}', '{"id": ["a"]}', '{"id": "a", "sha256": "abc"}', '{"id": 7}', "{}"])
def test_a_line_that_names_no_photo_is_not_passed_over(tmp_path, line):
    path = tmp_path / "takedowns.jsonl"
    path.write_text(line + "\n")
    with pytest.raises(InputError, match="Line 1 of .* is no record of a photo"):
        read_takedowns(path)
