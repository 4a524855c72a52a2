"""The list of what was taken down, and what a name leads to."""

from __future__ import annotations

import pyarrow as pa
import pytest

from clip_pipeline.errors import InputError
from clip_pipeline.images.takedown import Takedown, Takedowns, add_takedowns, find_photos, read_takedowns


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
    assert find_photos(SHARDS, ["gone"], "d", "r").photos == (Takedown("gone", "", "d", "r"),)


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
