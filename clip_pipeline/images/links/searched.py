"""Words to photos through a search: every page on disk as soon as it came, and its results as rows."""

from __future__ import annotations

import gzip
import json
import logging
import zlib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from clip_pipeline.display.counts import counts_text
from clip_pipeline.images.links.listed import links_table
from clip_pipeline.images.links.search_pages import WordPages
from clip_pipeline.machine.bounded import parse_json
from clip_pipeline.machine.progress import progress
from clip_pipeline.records import IMAGE_LINKS

logger = logging.getLogger(__name__)


ROWS_PER_GROUP = 16_384

ENDED, ENOUGH, CUT = "ended", "enough", "cut"
"""Why a page is a word's last: the search has no more, the photos are enough, the plan allows no more."""


class PhotoSearch(Protocol):
    """A photo service: pages of results for a word, and what is kept of a result."""

    def get_page(self, word: str, number: int) -> str:
        """The JSON text of a page, from 1: an object with `results` and `total_pages`."""

    def photo_row(self, photo: dict[str, Any]) -> dict[str, Any] | None:
        """The PHOTO_FIELDS of a result, None for one that is left out (sponsored, not free)."""


def search_words(
    plan: Mapping[str, int], service: PhotoSearch, photos_per_word: int, folder: Path, kept: Path
) -> tuple[int, dict[str, Any]]:
    """Searches the words in the order of the plan, writes their photos, and returns (number of links, facts).

    plan: word -> most pages. Each page lies in `kept` as soon as it came, and a page that lies there already is not asked
    for, so a killed run asks again for one page at most. Of a word no more pages are taken than give `photos_per_word`
    photos. Writes into `folder`: links.parquet, IMAGE_LINKS sorted by word and rank; pages.jsonl.gz, every raw page (JSON lines: word, number, body), and pages.tsv (word,
    pages, why no more); all are the same bytes whatever the order of the words.
    """
    asked = 0
    with progress("Searching photos", total=len(plan), unit="word") as bar:
        for word, max_pages in plan.items():
            pages = WordPages(kept, word)
            there = len(pages.bodies)
            for _ in _needed_pages(pages, max_pages, photos_per_word, service):
                pass
            asked += max(len(pages.bodies) - there, 0)
            bar.advance(note=word)
    facts = {"pages": 0, "words without photos": 0, "results left out": 0}
    links = 0
    # Level 1: 47 MB of pages took 1.0 s at the usual level 9 and 0.13 s at 1 (measured 2026-11-21).
    with (
        (folder / "pages.jsonl.gz").open("wb") as raw,
        gzip.GzipFile("", "wb", compresslevel=1, fileobj=raw, mtime=0) as stream,
        (folder / "pages.tsv").open("w", encoding="utf-8", newline="\n") as index,
        _LinksFile(folder / "links.parquet") as table,
    ):
        for word in sorted(plan):
            pages = WordPages(kept, word)
            needed = list(_needed_pages(pages, plan[word], photos_per_word, service))
            stream.write(b"".join(pages.lines[: len(needed)]))
            index.write(f"{word}\t{len(needed)}\t{needed[-1][0]}\n")
            rows, left_out = _rows_of_word(
                word, [found for _, page in needed for found in page], service, photos_per_word
            )
            table.write(rows)
            links += len(rows)
            facts["pages"] += len(needed)
            facts["results left out"] += left_out
            facts["words without photos"] += not rows
    found = {"links": links, "words": len(plan), "requests": asked}
    logger.info("Found %s (%s)", counts_text(found), counts_text(facts))
    return links, facts


class _LinksFile:
    """IMAGE_LINKS in a Parquet file, written in pieces so that memory stays small."""

    def __init__(self, path: Path):
        import pyarrow.parquet as pq

        self._writer = pq.ParquetWriter(path, IMAGE_LINKS, compression="zstd")
        self._waiting: list[dict[str, Any]] = []

    def write(self, rows: list[dict[str, Any]]) -> None:
        self._waiting += rows
        if len(self._waiting) >= ROWS_PER_GROUP:
            self._flush()

    def _flush(self) -> None:
        self._writer.write_table(links_table(self._waiting))
        self._waiting = []

    def __enter__(self) -> _LinksFile:
        return self

    def __exit__(self, kind: type | None, *_: object) -> None:
        if kind is None and self._waiting:
            self._flush()
        self._writer.close()


def _needed_pages(
    pages: WordPages, max_pages: int, photos_per_word: int, service: PhotoSearch
) -> Iterator[tuple[str, list[Any]]]:
    """(why it would be the last, its results) for each page that the word needs. Asks for the pages that are not there."""
    everything: list[Any] = []
    for number in range(1, max_pages + 1):
        if number > len(pages.bodies):
            pages.append(service.get_page(pages.word, number))
        answer = _parsed(pages.bodies[number - 1])
        found, total = answer.get("results"), answer.get("total_pages")
        results = found if isinstance(found, list) else []
        everything += results
        if not results or (isinstance(total, int) and number >= total):
            yield ENDED, results
            return
        if len(everything) >= photos_per_word and _count_photos(everything, service) >= photos_per_word:
            yield ENOUGH, results
            return
        yield CUT, results


def _count_photos(results: list[Any], service: PhotoSearch) -> int:
    """How many different photos are kept of the results."""
    return len({row["id"] for row in _rows(results, service) if row is not None})


def _rows(results: list[Any], service: PhotoSearch) -> Iterator[dict[str, Any] | None]:
    for photo in results:
        yield service.photo_row(photo) if isinstance(photo, dict) else None


def _rows_of_word(
    word: str, results: list[Any], service: PhotoSearch, photos_per_word: int
) -> tuple[list[dict[str, Any]], int]:
    """The first `photos_per_word` different photos as IMAGE_LINKS rows, and the number of results that are left out."""
    rows: dict[str, dict[str, Any]] = {}
    left_out = 0
    for row in _rows(results, service):
        if row is None:
            left_out += 1
        elif row["id"] not in rows and len(rows) < photos_per_word:
            rows[row["id"]] = {"word": word, "rank": len(rows), **row}
    return list(rows.values()), left_out


def _parsed(body: str) -> dict[str, Any]:
    """The answer, {} for one that is no JSON object: the service refuses some words with a text."""
    try:
        answer = parse_json(body)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def keep_known_pages(pages_path: Path, words: Collection[str], kept: Path) -> int:
    """Puts the pages that an older pages.jsonl.gz holds for these words into `kept`; returns how many.

    Where both have pages of a word, the longer row of pages stays. A file that breaks off gives what it has.
    """
    wanted, count = set(words), 0
    for word, bodies in _pages_by_word(pages_path):
        if word in wanted:
            count += WordPages(kept, word).replace_if_longer(bodies)
    return count


def _pages_by_word(path: Path) -> Iterator[tuple[str, list[str]]]:
    """(word, its pages in order) from a pages.jsonl.gz, which has the pages of a word beside each other."""
    word = ""
    bodies: list[str] = []
    try:
        with gzip.open(path, "rt", encoding="utf-8", newline="\n") as lines:
            for line in lines:
                page = json.loads(line)
                if page["word"] != word:
                    yield word, bodies
                    word, bodies = page["word"], []
                bodies.append(page["body"])
    except (OSError, EOFError, zlib.error, ValueError) as error:
        logger.warning("%s breaks off (%s): its further pages are asked for again.", path, error)
    yield word, bodies


def read_page_index(path: Path) -> dict[str, tuple[int, str]]:
    """Word -> (pages, why no more) from a pages.tsv."""
    index = {}
    for line in path.read_text(encoding="utf-8").split("\n")[:-1]:
        word, pages, why_last = line.split("\t")
        index[word] = int(pages), why_last
    return index
