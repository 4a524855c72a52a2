"""Delimiters and line ends that stand inside of cells."""

from __future__ import annotations

import pytest

from clip_pipeline.sources.tables.unquoted_cells import divided_rows, fitted_cells

COLUMNS = ["url", "caption"]
URL = "http://x.test/1.jpg"


@pytest.mark.parametrize(
    ("line", "cells"),
    [
        (f"{URL},one, two, and three", [URL, "one, two, and three"]),
        (f"{URL}?crop=2669,1999,x0,y0&w=80,a car show", [f"{URL}?crop=2669,1999,x0,y0&w=80", "a car show"]),
        ("http://x.test/fit,80/1.png,cat,dog", ["http://x.test/fit,80/1.png", "cat,dog"]),
        (f"{URL},cat,dog", [URL, "cat,dog"]),
        (f"{URL},a photo,,", [URL, "a photo"]),
        ("http://x.test/show?id=7,8,a cup", None),
        ("http://x.test/show?id=7,8,cup", None),
    ],
)
def test_a_url_keeps_its_own_commas_and_the_caption_gets_the_others(line, cells):
    assert fitted_cells(line.split(","), COLUMNS, ",") == cells


def test_a_url_in_the_last_column_leaves_the_commas_to_the_caption():
    assert fitted_cells(["a dog", " brown", URL], ["caption", "url"], ",") == ["a dog, brown", URL]
    assert fitted_cells(["a dog", f"{URL}?a=1", "2"], ["caption", "url"], ",") == ["a dog", f"{URL}?a=1,2"]
    assert fitted_cells(["1", "a dog", " brown", URL], ["id", "caption", "url"], ",") == ["1", "a dog, brown", URL]


def test_without_a_url_the_last_column_gets_what_is_left():
    assert fitted_cells(["1.jpg", "a", " b"], ["file", "caption"], ",") == ["1.jpg", "a, b"]


def test_quotes_around_a_cell_hold_tabs_and_line_ends():
    lines = [
        "file\tcaption\n",
        '0.jpg\t"with\ta tab"\n',
        '1.jpg\t"first\n',
        "\n",
        'last ""word"" of it"\n',
        "2.jpg\tplain\n",
    ]
    assert list(divided_rows(lines, "\t"))[1:] == [
        ["0.jpg", "with\ta tab"],
        ["1.jpg", 'first\n\nlast "word" of it'],
        ["2.jpg", "plain"],
    ]


def test_a_quote_that_is_never_closed_swallows_no_row():
    lines = ["file\tcaption\n", '0.jpg\t"an inch mark\n', "1.jpg\ta cup\n", '2.jpg\t5" of snow\n', '3.jpg\t"open']
    assert list(divided_rows(lines, "\t"))[1:] == [
        ["0.jpg", '"an inch mark'],
        ["1.jpg", "a cup"],
        ["2.jpg", '5" of snow'],
        ["3.jpg", '"open'],
    ]
