"""Which separator a table has."""

from __future__ import annotations

import pytest

from clip_pipeline.errors import PhotosError
from clip_pipeline.sources.photos.caption_files import Captioned, read_caption_file
from clip_pipeline.sources.tables.csv_tsv import choose_delimiter
from clip_pipeline.sources.tables.open_table import stream_table_file


@pytest.mark.parametrize("odd", ["one | bar", "one; two", "a\ttab", "bars | and; more"])
@pytest.mark.parametrize("plain", ["a red cup", "a cup, on a table"])
def test_a_mark_in_the_first_caption_of_a_headerless_list_loses_nothing(tmp_path, odd, plain):
    file = tmp_path / "list.csv"
    file.write_text(f"0.jpg,{odd}\n" + "".join(f"{n}.jpg,{plain}\n" for n in range(1, 5)))
    assert list(read_caption_file(file)) == [
        Captioned(f"{n}.jpg", [odd if n == 0 else plain.replace(", ", ", ")]) for n in range(5)
    ]


@pytest.mark.parametrize("mark", [";", "|", "\t", ","])
@pytest.mark.parametrize("form", ["sep={}", '"sep={}"', "SEP={}"])
def test_the_line_by_which_excel_says_the_separator_is_read(tmp_path, mark, form):
    file = tmp_path / "list.csv"
    file.write_text("\ufeff" + form.format(mark) + f"\r\nfile{mark}caption\r\n1.jpg{mark}a cup^ two\r\n", newline="")
    assert list(read_caption_file(file)) == [Captioned("1.jpg", ["a cup^ two"])]


def test_a_file_that_says_its_separator_and_nothing_else_is_empty(tmp_path):
    (tmp_path / "list.csv").write_text("sep=;\n\n")
    with pytest.raises(PhotosError, match=r"list\.csv is empty"):
        stream_table_file(tmp_path / "list.csv", lambda cells: None, PhotosError)


@pytest.mark.parametrize(
    ("lines", "delimiter"),
    [
        (["file\tcaption, short", "1.jpg\ta, b", "broken", *["2.jpg\tc, d"] * 20], "\t"),
        (["file;caption", "1.jpg;a, b", "2.jpg;c"], ";"),
        (["http://a/1.jpg?a=1;b=2", "http://a/2.jpg", "http://a/3.jpg"], ""),
        (["1.jpg,a; b"], ","),
        (["file|caption", "1.jpg|a", "2.jpg|b, c"], "|"),
    ],
)
def test_the_separator_is_the_one_that_makes_rows_agree(lines, delimiter):
    assert choose_delimiter(lines) == delimiter


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_separators_at_the_end_of_a_line_are_no_caption(tmp_path, mark):
    file = tmp_path / "list.csv"
    file.write_text(mark.join(["file", "caption"]) + "\n" + mark.join(["1.jpg", "a cup", "", "", ""]) + "\n")
    assert list(read_caption_file(file)) == [Captioned("1.jpg", ["a cup"])]
