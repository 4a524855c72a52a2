"""Quotation marks of CSV, closed and not, and the separator of lines that begin with a photo."""

from __future__ import annotations

import csv

import pytest

from clip_pipeline.errors import CaptionsError
from clip_pipeline.sources.photos.caption_files import read_caption_file
from clip_pipeline.sources.tables.quoted_rows import MAX_LINES_OF_A_ROW, quoted_rows


def rows(text, name="captions.csv"):
    return list(quoted_rows(text.splitlines(keepends=True), ",", name))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('1.jpg,"a cup\n2.jpg,a ball\n3.jpg,a hat\n', [["1.jpg", '"a cup'], ["2.jpg", "a ball"], ["3.jpg", "a hat"]]),
        ('1.jpg,"a cup\n2.jpg,"a ball"\n', [["1.jpg", '"a cup'], ["2.jpg", "a ball"]]),
        ('1.jpg,a cup\n2.jpg,"a ball', [["1.jpg", "a cup"], ["2.jpg", '"a ball']]),
        ('7,"a cup\n8,a ball\n', [["7", '"a cup'], ["8", "a ball"]]),
        ('http://x/1,"a cup\nhttp://x/2,a ball\n', [["http://x/1", '"a cup'], ["http://x/2", "a ball"]]),
        ('1.jpg,"a cup\nand so on\n', [["1.jpg", '"a cup'], ["and so on"]]),
        ('"1.jpg","a\n"2.jpg","b"\n', [['"1.jpg"', '"a'], ["2.jpg", "b"]]),
    ],
)
def test_a_quote_that_is_never_closed_swallows_no_row_and_is_said(caplog, text, found):
    assert rows(text) == found
    assert (
        "captions.csv: 1 quotation marks are not closed and count as letters, the first in line 1" in caplog.text
        or "line 2" in caplog.text
    )


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (
            '1.jpg,"first line\nsecond, with a comma"\n2.jpg,x\n',
            [["1.jpg", "first line\nsecond, with a comma"], ["2.jpg", "x"]],
        ),
        ('1.jpg,"he said ""hello"", twice"\n', [["1.jpg", 'he said "hello", twice']]),
        ('1.jpg,a 5" ruler\n2.jpg,"a 5"" ruler"\n', [["1.jpg", 'a 5" ruler'], ["2.jpg", 'a 5" ruler']]),
        ('1.jpg,a 5" ruler,"of\nwood"\n2.jpg,b,c\n', [["1.jpg", 'a 5" ruler', "of\nwood"], ["2.jpg", "b", "c"]]),
        ("1.jpg,a\n,,\n\n2.jpg,b\n", [["1.jpg", "a"], ["2.jpg", "b"]]),
    ],
)
def test_quotes_that_are_closed_hold_commas_quotes_and_lines(caplog, text, found):
    assert rows(text) == found and not caplog.text


def test_many_open_quotes_cost_no_row():
    text = "".join(f'{n}.jpg,"a thing number {n}\n' for n in range(5000))
    assert [row[0] for row in rows(text)] == [f"{n}.jpg" for n in range(5000)]


def test_a_row_of_too_many_lines_is_told():
    with pytest.raises(csv.Error, match="as if a quote were not closed"):
        rows('1.jpg,"a cup\n' + "and more\n" * (MAX_LINES_OF_A_ROW + 5))


def captions(folder, text):
    (folder / "captions.csv").write_text(text)
    return [(row.name, row.captions) for row in read_caption_file(folder / "captions.csv")]


def test_all_photos_of_a_table_keep_their_captions_beside_an_open_quote(tmp_path):
    text = "image,caption\n" + "".join(
        f"{n:03d}.jpg,{chr(34) if n == 44 else ''}a thing number {n}\n" for n in range(48)
    )
    found = captions(tmp_path, text)
    assert [name for name, _ in found] == [f"{n:03d}.jpg" for n in range(48)]
    assert found[45] == ("045.jpg", ["a thing number 45"])


@pytest.mark.parametrize("mark", ["|", ";", "\t"])
def test_lines_that_begin_with_a_photo_are_parted_where_its_name_ends(tmp_path, mark):
    text = "".join(f"{n}.jpg,a thing {n} {mark} stock photo\n" for n in range(3))
    assert captions(tmp_path, text)[1] == ("1.jpg", [f"a thing 1 {mark} stock photo"])


def test_a_table_of_neither_is_told_as_before(tmp_path):
    with pytest.raises(CaptionsError, match="none that is known to hold"):
        captions(tmp_path, "what|why\n1|2\n")
