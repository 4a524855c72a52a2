"""Words to photos, with a search made by hand."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pytest

from clip_pipeline.images.search import search_words
from clip_pipeline.records import IMAGE_LINKS
from clip_pipeline_tests.images.photos import photo


@dataclass
class Page:
    number: int
    body: str


class Search:
    """Answers each word with its pages, a list of lists of results; counts what it is asked. `break_at` fails at a word."""

    def __init__(self, pages: dict[str, list[list[Any]]], break_at: str = ""):
        self.pages, self.break_at = pages, break_at
        self.asked: Counter[str] = Counter()

    def search(self, word: str, max_photos: int) -> Iterator[Page]:
        self.asked[word] += 1
        for number, results in enumerate(self.pages.get(word, [[]]), start=1):
            yield Page(number, json.dumps({"total": 9, "results": results}, ensure_ascii=False))
            if word == self.break_at:
                raise KeyboardInterrupt

    def photo_row(self, result: dict[str, Any]) -> dict[str, Any] | None:
        return None if result.get("sponsored") else photo(result["id"])


CUPS = [[{"id": "c1"}, {"id": "ad", "sponsored": True}], [{"id": "c2"}, {"id": "c1"}, {"id": "c3"}]]


def search(tmp_path, pages, words, photos_per_word=100, name="pages.jsonl.gz", service=None):
    work = tmp_path / "work"
    work.mkdir(exist_ok=True)
    return search_words(words, service or Search(pages), photos_per_word, tmp_path / name, work)


def ranked(table: pa.Table) -> list[tuple[str, int, str]]:
    return [(row["word"], row["rank"], row["id"]) for row in table.to_pylist()]


def test_photos_come_in_the_order_of_the_search_without_advertisements_or_repeats(tmp_path):
    table, facts = search(tmp_path, {"cup": CUPS, "ball": [[{"id": "c2"}]]}, ["cup", "ball"])
    assert table.schema == IMAGE_LINKS
    assert ranked(table) == [("ball", 0, "c2"), ("cup", 0, "c1"), ("cup", 1, "c2"), ("cup", 2, "c3")]
    assert facts == {"pages": 3, "words without photos": 0, "results left out": 1}


def test_at_most_photos_per_word_are_taken(tmp_path):
    table, _ = search(tmp_path, {"cup": CUPS}, ["cup"], photos_per_word=2)
    assert ranked(table) == [("cup", 0, "c1"), ("cup", 1, "c2")]


def test_a_word_without_photos_is_counted_and_its_page_kept(tmp_path):
    table, facts = search(tmp_path, {}, ["xyzzy"])
    assert len(table) == 0
    assert table.schema == IMAGE_LINKS
    assert facts == {"pages": 1, "words without photos": 1, "results left out": 0}


def test_no_words_give_an_empty_table_and_an_empty_file_of_pages(tmp_path):
    table, facts = search(tmp_path, {}, [])
    assert len(table) == 0
    assert facts["pages"] == 0
    assert gzip.decompress((tmp_path / "pages.jsonl.gz").read_bytes()) == b""


def test_every_raw_page_is_kept_as_it_came(tmp_path):
    search(tmp_path, {"cup": CUPS, "ball": [[{"id": "b", "note": "Übung"}]]}, ["cup", "ball"])
    text = gzip.decompress((tmp_path / "pages.jsonl.gz").read_bytes()).decode()
    pages = [json.loads(line) for line in text.split("\n")[:-1]]
    assert [(page["word"], page["number"]) for page in pages] == [("ball", 1), ("cup", 1), ("cup", 2)]
    assert [json.loads(page["body"])["results"] for page in pages[1:]] == CUPS


@pytest.mark.parametrize("mark", ["\u2028", "\u2029", "\x85", "\x0c", "\r\n"])
def test_line_separators_inside_a_caption_do_not_cut_a_page(tmp_path, mark):
    table, facts = search(tmp_path, {"cup": [[{"id": "c1", "description": f"one{mark}two"}]]}, ["cup"])
    assert ranked(table) == [("cup", 0, "c1")]
    assert facts["pages"] == 1


def test_a_result_that_is_no_photo_is_left_out(tmp_path):
    table, facts = search(tmp_path, {"cup": [[None, "text", {"id": "c1"}]]}, ["cup"])
    assert ranked(table) == [("cup", 0, "c1")]
    assert facts["results left out"] == 2


def test_pages_and_links_are_the_same_bytes_between_runs_and_orders_of_words(tmp_path):
    pages = {"cup": CUPS, "ball": [[{"id": "b"}]]}
    (tmp_path / "other").mkdir()
    first, _ = search(tmp_path, pages, ["cup", "ball"])
    second, _ = search(tmp_path / "other", pages, ["ball", "cup"], name="another name.gz")
    assert first == second
    assert (tmp_path / "pages.jsonl.gz").read_bytes() == (tmp_path / "other" / "another name.gz").read_bytes()


def test_a_finished_word_is_not_asked_for_again_after_a_crash(tmp_path):
    pages = {"ant": [[{"id": "a"}]], "cup": CUPS, "zoo": [[{"id": "z"}]]}
    crashing, again = Search(pages, break_at="cup"), Search(pages)
    with pytest.raises(KeyboardInterrupt):
        search(tmp_path, pages, ["ant", "cup", "zoo"], service=crashing)
    assert crashing.asked == {"ant": 1, "cup": 1}
    table, _ = search(tmp_path, pages, ["ant", "cup", "zoo"], service=again)
    assert again.asked == {"cup": 1, "zoo": 1}
    (tmp_path / "whole").mkdir()
    uninterrupted, _ = search(tmp_path / "whole", pages, ["ant", "cup", "zoo"])
    assert table == uninterrupted
    assert (tmp_path / "pages.jsonl.gz").read_bytes() == (tmp_path / "whole" / "pages.jsonl.gz").read_bytes()
