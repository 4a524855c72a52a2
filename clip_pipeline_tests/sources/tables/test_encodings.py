"""UTF-8 and UTF-16 are told apart, and of anything else the first wrong byte is named."""

from __future__ import annotations

import pytest

from clip_pipeline.errors import CaptionsError
from clip_pipeline.sources.tables.encodings import decoded_text, wrong_byte
from clip_pipeline.sources.tables.text_files import read_text, text_lines


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_a_text_is_read_in_utf_8_and_in_utf_16_with_and_without_its_mark(encoding, tmp_path):
    text = "file,caption\n1.jpg,a café in Zürich\n"
    assert decoded_text(text.encode(encoding)) == text
    (tmp_path / "a.csv").write_bytes(text.encode(encoding))
    assert "".join(text_lines(tmp_path / "a.csv", CaptionsError)) == text


def test_zeros_in_a_text_do_not_make_it_utf_16():
    assert decoded_text(b"a zero\0byte in it") == "a zero\0byte in it"
    assert decoded_text(b"caf\xe9") is None


@pytest.mark.parametrize("size", [1, 2, 3, 1000])
def test_the_first_wrong_byte_is_found_however_the_file_is_read(size):
    content = "é\nöö\nab".encode() + b"\xe9 c\n"
    pieces = (content[start : start + size] for start in range(0, len(content), size))
    assert wrong_byte(pieces, "utf-8") == f"byte 0xe9 at place 3 of line 3 (byte {content.index(0xE9) + 1} of the file)"


def test_a_file_in_another_encoding_is_refused_with_the_place(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"file,caption\n" * 30_000 + b"1.jpg,caf\xe9\n")
    for read in (lambda path: list(text_lines(path, CaptionsError)), lambda path: read_text(path, CaptionsError)):
        with pytest.raises(CaptionsError, match=r"byte 0xe9 at place 10 of line 30,001 \(byte 390,010 of the file\)"):
            read(tmp_path / "a.csv")
