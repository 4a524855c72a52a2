"""JSON as pandas and publishers write it is read where only one reading is possible."""

from __future__ import annotations

import json

import pytest

from clip_pipeline.errors import CaptionsError
from clip_pipeline.sources.photos.caption_files import read_caption_file

CUP, DOG = {"file": "1.jpg", "caption": "A cup"}, {"file": "2.jpg", "caption": "A dog"}
READ = {
    "a list of objects": [CUP, DOG],
    "one list of an object": {"version": 1, "data": [CUP, DOG], "info": {"by": "me"}, "tags": ["a", "b"]},
    "lists by split": {"train": [CUP], "test": [DOG]},
    "by column, as pandas does": {"file": {"0": "1.jpg", "1": "2.jpg"}, "caption": {"0": "A cup", "1": "A dog"}},
    "by column, in lists": {"caption": ["A cup", "A dog"], "file": ["1.jpg", "2.jpg"]},
    "by index, as pandas does": {"0": CUP, "1": DOG},
    "by file, an object each": {"1.jpg": {"caption": "A cup"}, "2.jpg": {"caption": "A dog", "width": 3}},
    "by file, objects each": {"1.jpg": [{"caption": "A cup"}], "2.jpg": [{"caption": "A dog"}]},
    "by file, a text each": {"1.jpg": "A cup", "2.jpg": ["A dog"]},
    "by name without ending": {"1.jpg"[:-4]: {"caption": "A cup"}, "2": {"caption": "A dog"}},
}
UNKNOWN = [
    {"a": {"b": 1}, "c": {"d": 2}},
    {"one": [CUP], "other": [DOG]},
    [["1.jpg", "A cup"]],
    {"data": {"rows": [CUP]}},
    {"1.jpg": 3},
    {},
    "a text",
]


def rows(tmp_path, content) -> list[tuple[str, list[str]]]:
    file = tmp_path / "captions.json"
    file.write_text(json.dumps(content))
    return [(row.name, row.captions) for row in read_caption_file(file)]


@pytest.mark.parametrize("content", READ.values(), ids=READ)
def test_a_form_with_one_reading_is_read(tmp_path, content):
    read = [(name.removesuffix(".jpg"), captions) for name, captions in rows(tmp_path, content)]
    assert read == [("1", ["A cup"]), ("2", ["A dog"])]


@pytest.mark.parametrize("content", UNKNOWN, ids=json.dumps)
def test_any_other_form_is_refused_with_those_that_are_read(tmp_path, content):
    with pytest.raises(CaptionsError, match="unknown form|holds no rows"):
        rows(tmp_path, content)


def test_lists_by_split_say_the_split(tmp_path):
    file = tmp_path / "captions.json"
    file.write_text(json.dumps({"train": [CUP], "val": [DOG]}))
    assert [row.facts["split"] for row in read_caption_file(file)] == ["train", "validation"]
