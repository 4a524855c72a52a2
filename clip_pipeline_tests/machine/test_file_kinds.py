"""What a file looks like, and that errors about a file quote nothing of it."""

from __future__ import annotations

import bz2

import pytest

from clip_pipeline.errors import ClipPipelineError
from clip_pipeline.machine.file_kinds import is_no_text, looks_like

SECRET = "root:x:0:0:secret:/root:/bin/sh"


@pytest.mark.parametrize(
    ("start", "kind"),
    [
        (b"", "nothing: it is empty"),
        (b"\xef\xbb\xbf \n<!DOCTYPE HTML>", "a page of HTML"),
        (b"<svg", "XML or HTML"),
        (b' {"a"', "JSON"),
        (b"\x1f\x8b\x08", "gzip"),
        (SECRET.encode(), "text"),
        ("größer".encode(), "text"),
        (b"\x00\x01\x02", "bytes of no known kind"),
    ],
)
def test_the_kind_is_known_by_the_first_bytes(start, kind):
    assert looks_like(start) == kind


@pytest.mark.parametrize(
    ("start", "no_text"),
    [
        (b"", False),
        (b"\x89PNG\r\n\x1a\n" + bytes(50), True),
        (b"PAR1" + b"abc" * 20, True),
        ("a café in Zürich, ".encode("latin-1") * 4, False),
        ("привет, ".encode("cp1251") * 4, False),
        (bytes(range(256)), True),
        (b'{"caption": "caf\xe9"}', False),
    ],
)
def test_a_text_of_another_encoding_is_told_from_what_is_no_text(start, no_text):
    assert is_no_text(start) == no_text


def _dump(path):
    from clip_pipeline.sources.wikimedia.dump_files import describe_dump

    describe_dump(path.rename(path.with_suffix(".xml")), 1)


def _titles(path):
    from clip_pipeline.settings import WikipediaSettings
    from clip_pipeline.sources.wikimedia.api_titles import read_titles

    read_titles(WikipediaSettings(titles=str(path)))


def _tokens(path):
    from clip_pipeline.sources.photos.caption_files import _token_rows

    path.write_text(f"a.jpg#0\ta red cup\n{SECRET}\n")
    list(_token_rows(path))


def _idx(path):
    from clip_pipeline.sources.photos.formats.idx import _header

    _header(path)


def _model(path):
    from clip_pipeline.machine.foreign_code import read_settings_file

    read_settings_file(path)


def _index(path):
    from clip_pipeline.sources.wikimedia.dump_files import _index_offsets

    path = path.with_suffix(".bz2")
    path.write_bytes(bz2.compress(SECRET.encode()))
    list(_index_offsets(path))


@pytest.mark.parametrize("read", [_dump, _titles, _tokens, _idx, _model, _index])
def test_an_error_about_a_file_says_what_is_wrong_and_quotes_none_of_it(read, tmp_path):
    path = tmp_path / "secret.txt"
    path.write_text(f"{SECRET} | {SECRET}\n")
    with pytest.raises(ClipPipelineError) as caught:
        read(path)
    assert "secret:" not in str(caught.value) and "root" not in str(caught.value).replace(str(tmp_path), "")
