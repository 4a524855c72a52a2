"""Words to photos, with a search made by hand."""

from __future__ import annotations

import gzip
import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clip_pipeline.images.links.search_pages import WordPages, count_pages
from clip_pipeline.images.links.searched import CUT, ENDED, ENOUGH, keep_known_pages, read_page_index, search_words
from clip_pipeline.records import IMAGE_LINKS
from clip_pipeline_tests.images.photos import photo


class Search:
    """Answers each word with its pages, a list of lists of results; counts what it is asked. `break_at` fails at a word."""

    def __init__(self, pages: dict[str, list[list[Any]]], break_at: str = ""):
        self.pages, self.break_at = pages, break_at
        self.asked: list[tuple[str, int]] = []

    def get_page(self, word: str, number: int) -> str:
        if word == self.break_at and number == 2:
            raise KeyboardInterrupt
        self.asked.append((word, number))
        pages = self.pages.get(word, [])
        results = pages[number - 1] if number <= len(pages) else []
        return json.dumps({"total": 9, "total_pages": len(pages), "results": results}, ensure_ascii=False)

    def photo_row(self, result: dict[str, Any]) -> dict[str, Any] | None:
        return None if result.get("sponsored") else photo(result["id"])


CUPS = [[{"id": "c1"}, {"id": "ad", "sponsored": True}], [{"id": "c2"}, {"id": "c1"}, {"id": "c3"}]]


def search(tmp_path, pages, words, photos_per_word=100, service=None, max_pages=200):
    kept = tmp_path / "kept"
    kept.mkdir(exist_ok=True)
    plan = words if isinstance(words, dict) else dict.fromkeys(words, max_pages)
    links, facts = search_words(plan, service or Search(pages), photos_per_word, tmp_path, kept)
    table = pq.read_table(tmp_path / "links.parquet")
    assert len(table) == links
    return table, facts


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


@pytest.fixture
def elsewhere(tmp_path) -> Path:
    (tmp_path / "elsewhere").mkdir()
    return tmp_path / "elsewhere"


def written(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_pages_and_links_are_the_same_bytes_between_runs_and_orders_of_words(tmp_path, elsewhere):
    pages = {"cup": CUPS, "ball": [[{"id": "b"}]]}
    first, _ = search(tmp_path, pages, ["cup", "ball"])
    second, _ = search(elsewhere, pages, ["ball", "cup"])
    assert first == second
    assert written(tmp_path) == written(elsewhere)


# ---- how far a word is searched


MANY = [[{"id": f"p{page}-{place}"} for place in range(3)] for page in range(9)]


def pages_asked(tmp_path, pages, **more) -> list[int]:
    service = Search(pages)
    search(tmp_path, pages, ["cup"], service=service, **more)
    return [number for _, number in service.asked]


def test_words_are_searched_in_the_order_of_the_plan(tmp_path):
    service = Search({"cup": CUPS, "ant": [[{"id": "a"}]]})
    search(tmp_path, {}, {"cup": 2, "zoo": 1, "ant": 1}, service=service)
    assert service.asked == [("cup", 1), ("cup", 2), ("zoo", 1), ("ant", 1)]


def test_a_search_ends_at_total_pages(tmp_path):
    assert pages_asked(tmp_path, {"cup": MANY}) == list(range(1, 10))


def test_a_search_ends_at_an_empty_page(tmp_path):
    assert pages_asked(tmp_path, {"cup": [*MANY[:2], [], *MANY[3:]]}) == [1, 2, 3]


def test_a_search_ends_when_enough_photos_were_kept(tmp_path):
    advertised = [[{"id": "ad", "sponsored": True}, *page[:1], *page[:1]] for page in MANY]
    assert pages_asked(tmp_path, {"cup": advertised}, photos_per_word=2) == [1, 2]


def test_a_search_ends_where_the_plan_does(tmp_path):
    assert pages_asked(tmp_path, {"cup": MANY}, max_pages=4) == [1, 2, 3, 4]


def test_why_a_word_has_no_more_pages_is_written_down(tmp_path):
    search(tmp_path, {"ant": CUPS, "cup": MANY, "zoo": MANY}, {"zoo": 2, "ant": 9, "cup": 9}, photos_per_word=9)
    index = read_page_index(tmp_path / "pages.tsv")
    assert index == {"ant": (2, ENDED), "cup": (3, ENOUGH), "zoo": (2, CUT)}


def test_an_answer_without_results_is_a_word_without_photos(tmp_path):
    class Refusing(Search):
        def get_page(self, word: str, number: int) -> str:
            self.asked.append((word, number))
            return {"spam": '{"errors":["Query flagged as spam"]}', "text": "no", "list": "[1]"}[word]

    service = Refusing({})
    table, facts = search(tmp_path, {}, ["spam", "text", "list"], service=service)
    assert (len(table), facts["words without photos"]) == (0, 3)
    assert service.asked == [("spam", 1), ("text", 1), ("list", 1)]


# ---- pages that are there already


def test_a_page_that_came_is_not_asked_for_again_after_a_crash(tmp_path, elsewhere):
    pages = {"ant": [[{"id": "a"}]], "cup": CUPS, "zoo": [[{"id": "z"}]]}
    crashing, again = Search(pages, break_at="cup"), Search(pages)
    with pytest.raises(KeyboardInterrupt):
        search(tmp_path, pages, ["ant", "cup", "zoo"], service=crashing)
    assert crashing.asked == [("ant", 1), ("cup", 1)]
    table, _ = search(tmp_path, pages, ["ant", "cup", "zoo"], service=again)
    assert again.asked == [("cup", 2), ("zoo", 1)]
    uninterrupted, _ = search(elsewhere, pages, ["ant", "cup", "zoo"])
    assert table == uninterrupted
    assert written(tmp_path) == written(elsewhere)


def test_a_page_that_was_cut_by_a_crash_is_asked_for_again(tmp_path, elsewhere):
    whole, _ = search(elsewhere, {"cup": MANY}, ["cup"])
    search(tmp_path, {"cup": MANY}, ["cup"])
    path = WordPages.path_of(tmp_path / "kept", "cup")
    content = path.read_bytes()
    for cut in (len(content) - 1, len(content) // 2, 1, 0):
        path.write_bytes(content[:cut])
        there = count_pages(tmp_path / "kept", "cup")
        service = Search({"cup": MANY})
        table, _ = search(tmp_path, {}, ["cup"], service=service)
        assert [number for _, number in service.asked] == list(range(there + 1, 10))
        assert table == whole
        assert written(tmp_path) == written(elsewhere)


@pytest.mark.parametrize(
    "line", [b"null\n", b"{}\n", b'{"word":"dog","number":1,"body":"{}"}\n', b"\x00\x00\n", b"\xff\n"]
)
def test_lines_that_are_no_page_of_the_word_are_dropped(tmp_path, line):
    (tmp_path / "kept").mkdir()
    WordPages.path_of(tmp_path / "kept", "cup").write_bytes(line)
    service = Search({"cup": CUPS})
    table, _ = search(tmp_path, {}, ["cup"], service=service)
    assert len(table) == 3
    assert service.asked == [("cup", 1), ("cup", 2)]


def test_more_photos_a_word_ask_only_for_the_further_pages(tmp_path, elsewhere):
    few, _ = search(tmp_path, {"cup": MANY}, ["cup"], photos_per_word=4)
    service = Search({"cup": MANY})
    more, _ = search(tmp_path, {}, ["cup"], photos_per_word=10, service=service)
    assert (len(few), len(more)) == (4, 10)
    assert service.asked == [("cup", 3), ("cup", 4)]
    fresh, _ = search(elsewhere, {"cup": MANY}, ["cup"], photos_per_word=10)
    assert more == fresh
    assert written(tmp_path) == written(elsewhere)


def test_fewer_photos_a_word_ask_for_nothing_and_keep_only_their_pages(tmp_path, elsewhere):
    search(tmp_path, {"cup": MANY}, ["cup"])
    service = Search({})
    search(tmp_path, {}, ["cup"], photos_per_word=4, service=service)
    assert service.asked == []
    search(elsewhere, {"cup": MANY}, ["cup"], photos_per_word=4)
    assert written(tmp_path) == written(elsewhere)


def test_pages_of_an_older_artifact_are_taken_instead_of_asked_for(tmp_path, elsewhere):
    pages = {"cup": MANY, "ball": CUPS, "gone": CUPS}
    search(elsewhere, pages, ["cup", "ball", "gone"])
    (tmp_path / "kept").mkdir()
    assert keep_known_pages(elsewhere / "pages.jsonl.gz", {"cup", "ball", "new"}, tmp_path / "kept") == 11
    service = Search({"new": CUPS})
    table, facts = search(tmp_path, {}, ["cup", "ball", "new"], service=service)
    assert service.asked == [("new", 1), ("new", 2)]
    assert facts["pages"] == 13
    assert "gone" not in table["word"].to_pylist()


def test_the_longer_row_of_pages_stays(tmp_path, elsewhere):
    search(elsewhere, {"cup": MANY}, ["cup"], max_pages=2)
    search(tmp_path, {"cup": MANY}, ["cup"], max_pages=5)
    assert keep_known_pages(elsewhere / "pages.jsonl.gz", {"cup"}, tmp_path / "kept") == 0
    assert count_pages(tmp_path / "kept", "cup") == 5


def test_a_damaged_older_artifact_gives_what_it_has(tmp_path, elsewhere, caplog):
    search(elsewhere, {f"word{number}": MANY for number in range(50)}, [f"word{number}" for number in range(50)])
    path = elsewhere / "pages.jsonl.gz"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    (tmp_path / "kept").mkdir()
    found = keep_known_pages(path, {f"word{number}" for number in range(50)}, tmp_path / "kept")
    assert 0 < found < 450
    assert "breaks off" in caplog.text
    service = Search({f"word{number}": MANY for number in range(50)})
    table, _ = search(tmp_path, {}, [f"word{number}" for number in range(50)], service=service)
    assert len(service.asked) == 450 - found
    assert len(table) == 50 * 27


SEARCHER = """
import json, sys
from pathlib import Path
from clip_pipeline.images.links.searched import search_words

folder, log, words, pages = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3].split(), int(sys.argv[4])


class Search:
    def get_page(self, word, number):
        with log.open("a") as stream:
            stream.write(f"{word} {number}\\n")
        results = [{"id": f"{word}{number}-{place}", "text": "x" * 3000} for place in range(30)]
        return json.dumps({"total_pages": pages, "results": results})

    def photo_row(self, result):
        return {"id": result["id"], "url": "http://x/" + result["id"], "captions": [], "words": [], "source": "test"}


(folder / "kept").mkdir(parents=True, exist_ok=True)
print("ready", flush=True)
search_words(dict.fromkeys(words, pages), Search(), 6000, folder, folder / "kept")
"""


def start_search(folder: Path, log: Path, words: list[str], pages: int) -> subprocess.Popen:
    """A search in a process of its own, which has loaded what it needs."""
    command = [sys.executable, "-c", SEARCHER, str(folder), str(log), " ".join(words), str(pages)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    return process


@pytest.mark.slow
def test_killed_at_any_moment_a_search_asks_again_for_one_page_at_most(tmp_path):
    log, words, pages, kills = tmp_path / "asked.txt", [f"word{number}" for number in range(6)], 30, 5
    moments = random.Random(0)
    for _ in range(kills):
        process = start_search(tmp_path / "killed", log, words, pages)
        time.sleep(moments.uniform(0.0, 0.06))
        process.send_signal(signal.SIGKILL)
        process.communicate()
    last = start_search(tmp_path / "killed", log, words, pages)
    last.communicate()
    assert last.returncode == 0
    asked = log.read_text().splitlines()
    assert len(set(asked)) == len(words) * pages
    assert len(asked) - len(set(asked)) <= kills
    undisturbed = start_search(tmp_path / "whole", tmp_path / "other.txt", words, pages)
    undisturbed.communicate()
    assert written(tmp_path / "killed") == written(tmp_path / "whole")
