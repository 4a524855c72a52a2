"""Where a line of a text file ends."""

from __future__ import annotations

import json

import pytest

from clip_pipeline.api.embed import _text_table
from clip_pipeline.errors import PhotosError
from clip_pipeline.sources.photos.class_names import read_class_names
from clip_pipeline.sources.tables.open_table import stream_table_file
from clip_pipeline.sources.tables.text_files import check_text, lines_of, read_text, text_lines
from clip_pipeline.words.stop_words import choose_stop_words
from clip_pipeline_tests.made.opened_photos import list_folder

NO_ENDS = ["\u2028", "\u2029", "\x85", "\f", "\v", "\x1c", "\x1d", "\x1e", "\r"]


@pytest.mark.parametrize("mark", NO_ENDS)
def test_a_line_ends_at_a_line_feed_alone(mark):
    assert lines_of(f"one{mark}two\nthree\r\n\nfour") == [f"one{mark}two", "three", "", "four"]


def test_an_empty_text_has_no_lines_and_a_last_line_feed_begins_none():
    assert lines_of("") == []
    assert lines_of("one\n") == ["one"]


@pytest.mark.parametrize("mark", ["\u2028", "\u2029", "\x85"])
def test_json_lines_hold_other_ends_of_lines(tmp_path, mark):
    row = {"url": "http://a/1.jpg", "caption": f"a cup{mark}on a table"}
    (tmp_path / "list.jsonl").write_text(json.dumps(row, ensure_ascii=False) + "\n", "utf-8", newline="\n")
    assert list(stream_table_file(tmp_path / "list.jsonl", lambda cells: None, PhotosError).rows) == [row]


@pytest.mark.parametrize("mark", NO_ENDS)
def test_a_caption_and_a_class_name_are_one_with_such_a_mark_inside(tmp_path, mark):
    (tmp_path / "a.jpg").write_bytes(b"a photo")
    (tmp_path / "a.txt").write_text(f"a cup{mark}on a table\nanother\n", "utf-8", newline="\n")
    assert list_folder(tmp_path)["captions"].to_pylist() == [[f"a cup{mark}on a table", "another"]]
    (tmp_path / "classnames.txt").write_text(f"a{mark}b\nc\n", "utf-8", newline="\n")
    assert read_class_names(tmp_path, [0, 1]) == [f"a{mark}b", "c"]
    (tmp_path / "stop.txt").write_text(f"a{mark}b\nc\n", "utf-8", newline="\n")
    assert choose_stop_words(str(tmp_path / "stop.txt")) == {f"a{mark}b", "c"}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\xff" * 9, r"is no text, it looks like a PNG image\. Give a text in UTF-8"),
        (b"\x1f\x8b\x08\xff\xfe" * 20, "is no text, it looks like gzip"),
        (
            "url,caption\nhttp://a/1.jpg,caf\xe9\n".encode("latin-1"),
            "is no UTF-8 text .byte 0xe9 at place 19 of line 2 .*iconv",
        ),
        ("url,caption\r\n".encode("utf-16-le") + b"\x01\xdc\x41\x00", "is no UTF-16 text"),
    ],
)
def test_what_is_no_text_is_named_and_a_text_of_another_encoding_has_its_place(tmp_path, content, sentence):
    (tmp_path / "list.csv").write_bytes(content)
    for read in (read_text, lambda path, error: list(text_lines(path, error)), check_text):
        with pytest.raises(PhotosError, match=sentence):
            read(tmp_path / "list.csv", PhotosError)


def test_the_id_of_a_text_is_the_number_of_its_line(tmp_path):
    (tmp_path / "texts.txt").write_text("red\u2028cup\n\n  \nblue ball\r\n", "utf-8", newline="\n")
    table = _text_table(tmp_path / "texts.txt", ())
    assert table.to_pydict() == {"id": ["0", "3"], "text": ["red\u2028cup", "blue ball"]}
