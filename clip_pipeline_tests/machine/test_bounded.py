"""Small files and answers of others: a limit on their bytes, their values and their nesting."""

from __future__ import annotations

import os

import pytest

from clip_pipeline.errors import ModelError
from clip_pipeline.machine.bounded import MAX_JSON_VALUES, parse_json, read_bytes, read_json


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"a":' * 100_000, b"[" * 100_000, "[1, 2", b"\xff\xfe\xff", "1" * 5000]
)
def test_json_that_is_none_or_nested_too_deeply_is_a_value_error(text):
    with pytest.raises(ValueError):
        parse_json(text)


def test_more_values_or_bytes_than_are_read_are_refused_before_they_are_decoded():
    with pytest.raises(ValueError, match="more than 2,000,000 values"):
        parse_json("[" + "{}," * MAX_JSON_VALUES + "0]")
    with pytest.raises(ValueError, match="it has 12 bytes, the most that is read is 10"):
        parse_json(b'"0123456789"', 10)
    assert parse_json('{"a": [1, "ä"]}') == {"a": [1, "ä"]}


def test_a_file_of_another_kind_is_named_as_what_it_is(tmp_path):
    (tmp_path / "scores.json").write_bytes(b"\x89PNG\r\n\x1a\n\xff")
    with pytest.raises(ModelError, match="scores.json is no JSON, it looks like a PNG image. Get or write it again"):
        read_json(tmp_path / "scores.json", ModelError)


def test_a_file_that_is_too_large_or_no_file_is_a_sentence(tmp_path):
    (tmp_path / "a").write_bytes(b"12345")
    assert read_bytes(tmp_path / "a", ModelError, 5) == b"12345"
    with pytest.raises(ModelError, match="has more than 4 bytes"):
        read_bytes(tmp_path / "a", ModelError, 4)
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path):
        with pytest.raises(ModelError, match="is no plain file"):
            read_bytes(path, ModelError)
    with pytest.raises(ModelError, match="There is no file"):
        read_bytes(tmp_path / "b", ModelError)
    (tmp_path / "c").write_bytes(b"\xef\xbb\xbf{}")
    assert read_json(tmp_path / "c", ModelError) == {}
    with pytest.raises(ModelError, match=r"a is no JSON|a has"):
        read_json(tmp_path / "a", ModelError, 2)
