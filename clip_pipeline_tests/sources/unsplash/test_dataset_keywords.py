"""Which keywords of the Unsplash Dataset count."""

from __future__ import annotations

import pytest

from clip_pipeline_tests.made.unsplash_dataset import KEYWORDS, LINES, keywords_of


def test_a_keyword_counts_when_a_service_is_sure_or_a_person_suggested_it(tmp_path):
    (tmp_path / "keywords.tsv000").write_text(KEYWORDS + LINES)
    rows, counts = keywords_of(tmp_path)
    assert rows == [("a", "cup", 90.5), ("b", "cup", 100.0), ("b", "table", 45.0)]
    assert counts == {"keywords read": 5, "keywords below the confidence": 2}
    assert len(keywords_of(tmp_path, 0)[0]) == 5
    assert keywords_of(tmp_path, 100)[0] == [("b", "cup", 100.0)]


@pytest.mark.parametrize(
    "broken",
    [
        b"c\tdog\tmany\t60\tf\n",
        b"c\tdog\xff\t\t60\tf\n",
        b'c\t"dog\t\t60\tf\n',
    ],
)
def test_a_part_that_is_not_clean_is_read_line_by_line(tmp_path, broken):
    (tmp_path / "keywords.tsv000").write_bytes(KEYWORDS.encode() + LINES.encode() * 20 + broken + LINES.encode())
    rows, counts = keywords_of(tmp_path, block_bytes=120)
    assert {row[:2] for row in rows} >= {("a", "cup"), ("b", "cup"), ("b", "table")}
    assert {row[0] for row in rows} >= {"c"}
    assert counts["keywords read"] == 105 + broken.count(b"\n")


def test_short_rows_of_keywords_and_missing_columns_are_no_reason_to_stop(tmp_path):
    (tmp_path / "keywords.csv000").write_text("keyword,photo_id,suggested_by_user\ncup,a,t\nshort\n,b,t\nsky,c,f\n")
    (tmp_path / "keywords.csv001").write_text("dog,d,true\n")
    rows, counts = keywords_of(tmp_path)
    assert rows == [("a", "cup", 100.0), ("d", "dog", 100.0)]
    assert counts == {
        **{"keywords read": 4, "rows with too few or too many columns": 1, "keywords below the confidence": 1},
        "keywords without photo or text": 1,
    }
