"""Lines of HTML articles: cut into parts anywhere, each line is read once."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clip_pipeline.sources.wikimedia.dump_files import DumpPart
from clip_pipeline.sources.wikimedia.html_dumps import describe_html_dump, is_html_dump, iter_html_articles


@pytest.fixture(scope="module")
def lines(tmp_path_factory):
    path = tmp_path_factory.mktemp("html") / "x.ndjson"
    records = [{"name": f"é{n}", "html": "<p>" + "x" * (n % 7) + "</p>"} for n in range(40)]
    path.write_text("\n".join(json.dumps(record, ensure_ascii=False) for record in records) + "\n", encoding="utf-8")
    return path


@given(cuts=st.lists(st.integers(0, 1500), max_size=12))
def test_parts_cut_anywhere_hold_every_article_once(lines, cuts):
    size = lines.stat().st_size
    edges = sorted({0, size, *(cut for cut in cuts if cut < size)})
    parts = [DumpPart(f"part-{place:03}", *pair) for place, pair in enumerate(itertools.pairwise(edges))]
    names = [article.name for part in parts for article in iter_html_articles(lines, part)]
    assert names == [f"é{n}" for n in range(40)]


def test_every_byte_may_be_the_cut(lines):
    size = lines.stat().st_size
    for cut in range(1, size):
        first = list(iter_html_articles(lines, DumpPart("a", 0, cut)))
        second = list(iter_html_articles(lines, DumpPart("b", cut, size)))
        assert [article.name for article in first + second] == [f"é{n}" for n in range(40)]


def test_only_lines_that_are_not_packed_are_cut(lines, tmp_path):
    assert len(describe_html_dump(lines, 5, min_part_bytes=100).parts) == 5
    import gzip

    packed = tmp_path / "enwiki_20260101.ndjson.gz"
    packed.write_bytes(gzip.compress(lines.read_bytes()))
    described = describe_html_dump(packed, 5, min_part_bytes=100)
    assert len(described.parts) == 1 and described.date == "20260101" and described.compression == "gzip"
    assert len(list(iter_html_articles(packed, described.parts[0]))) == 40


@pytest.mark.parametrize(("name", "html"), [("a.jsonl", True), ("a.ndjson.gz", True), ("A.TAR.GZ", True), ("a.tgz", True),
                                            ("a.html", True), ("a.xml.bz2", False), ("a.xml", False), ("json", False)])  # fmt: skip
def test_html_dumps_are_known_by_their_names(tmp_path, name, html):
    assert is_html_dump(tmp_path / name) == html


@pytest.mark.parametrize("encoding", ["utf-8", "windows-1251", "utf-16"])
def test_a_page_is_read_in_the_letters_that_it_declares(tmp_path, encoding):
    path = tmp_path / "Рыжая_кошка.html"
    path.write_bytes(f'<html><head><meta charset="{encoding}"></head><body>кошка спит</body></html>'.encode(encoding))
    (article,) = iter_html_articles(path, DumpPart("part-000", 0, path.stat().st_size))
    assert "кошка спит" in article.html
