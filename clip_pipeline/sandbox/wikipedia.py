"""A mirror of Wikimedia dumps: a multistream dump with its index, checksums, status file and directory listings."""

from __future__ import annotations

import bz2
import hashlib
import html
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from clip_pipeline.sandbox.articles import Page, make_pages
from clip_pipeline.sandbox.messages import Request, Response, file_response, html_page

DATES = ("20251201", "20260101")
"""Dump dates, oldest first. The older dump has a tenth fewer articles; `latest` is the newer one."""

PAGES_PER_STREAM = 100
COMPRESSION_LEVEL = 9
BASE_36 = "0123456789abcdefghijklmnopqrstuvwxyz"

NAMESPACES = (
    (-2, "Media"), (-1, "Special"), (0, ""), (1, "Talk"), (2, "User"), (3, "User talk"), (4, "Wikipedia"),
    (5, "Wikipedia talk"), (6, "File"), (7, "File talk"), (8, "MediaWiki"), (9, "MediaWiki talk"), (10, "Template"),
    (11, "Template talk"), (12, "Help"), (13, "Help talk"), (14, "Category"), (15, "Category talk"), (828, "Module"),
)  # fmt: skip


@dataclass(frozen=True)
class Dump:
    """A multistream dump: the compressed pages, and the compressed index `offset:page_id:title`."""

    pages: bytes
    index: bytes


def make_dump(seed: int, articles: int, wiki: str = "enwiki") -> Dump:
    """The dump of a world: a stream with the head, streams of 100 pages, a stream with the tail; each its own bz2."""
    streams = [_compress(_head(wiki))]
    offset, lines = len(streams[0]), []
    numbered = enumerate(make_pages(seed, articles), start=1)
    for batch in _batches(numbered, PAGES_PER_STREAM):
        lines += [f"{offset}:{_page_id(number)}:{page.title}\n" for number, page in batch]
        streams.append(_compress("".join(_page_xml(number, page) for number, page in batch)))
        offset += len(streams[-1])
    streams.append(_compress("</mediawiki>\n"))
    return Dump(b"".join(streams), _compress("".join(lines)))


def _batches(items: Iterable, size: int) -> Iterator[list]:
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch


def _compress(text: str) -> bytes:
    return bz2.compress(text.encode(), COMPRESSION_LEVEL)


def _page_id(number: int) -> int:
    """Page ids rise with gaps, as they do where pages have been deleted."""
    return 10 + number * 3 + number // 7


def _head(wiki: str) -> str:
    names = "\n".join(
        f'      <namespace key="{key}" case="first-letter">{name}</namespace>'
        if name
        else f'      <namespace key="{key}" case="first-letter" />'
        for key, name in NAMESPACES
    )
    return (
        '<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="'
        'http://www.mediawiki.org/xml/export-0.11/ http://www.mediawiki.org/xml/export-0.11.xsd" version="0.11" '
        'xml:lang="en">\n  <siteinfo>\n    <sitename>Wikipedia</sitename>\n'
        f"    <dbname>{wiki}</dbname>\n    <base>http://wiki.sandbox.test/wiki/Main_Page</base>\n"
        "    <generator>MediaWiki 1.46.0-wmf.5</generator>\n    <case>first-letter</case>\n"
        f"    <namespaces>\n{names}\n    </namespaces>\n  </siteinfo>\n"
    )


def _page_xml(number: int, page: Page) -> str:
    content = page.text.encode()
    digest = _base_36(int.from_bytes(hashlib.sha1(content, usedforsecurity=False).digest()))
    redirect = f'    <redirect title="{html.escape(page.redirect)}" />\n' if page.redirect else ""
    revision = 1_200_000_000 + number * 977
    day, minute = number % 28 + 1, number % 60
    return (
        f"  <page>\n    <title>{html.escape(page.title, quote=False)}</title>\n    <ns>{page.namespace}</ns>\n"
        f"    <id>{_page_id(number)}</id>\n{redirect}    <revision>\n      <id>{revision}</id>\n"
        f"      <parentid>{revision - 411}</parentid>\n      <timestamp>2025-11-{day:02}T08:{minute:02}:00Z</timestamp>\n"
        f"      <contributor>\n        <username>Editor {number % 37}</username>\n        <id>{900 + number % 37}</id>\n"
        "      </contributor>\n      <minor />\n      <comment>/* History */ copy edit</comment>\n"
        f"      <origin>{revision}</origin>\n      <model>wikitext</model>\n      <format>text/x-wiki</format>\n"
        f'      <text bytes="{len(content)}" sha1="{digest}" xml:space="preserve">'
        f"{html.escape(page.text)}</text>\n      <sha1>{digest}</sha1>\n    </revision>\n  </page>\n"
    )


def _base_36(number: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = BASE_36[digit] + digits
    return digits.rjust(31, "0")


class DumpMirror:
    """Answers requests below `/<wiki>/<date>/`; any wiki name is served, dumps are made at the first request."""

    def __init__(self, seed: int, articles: int):
        self._seed, self._articles = seed, articles
        self._files: dict[tuple[str, str], dict[str, bytes]] = {}

    def answer(self, request: Request) -> Response:
        """A file of the mirror or a listing."""
        parts = [part for part in request.path.split("/") if part]
        match parts:
            case []:
                return _listing("/", ["enwiki/"])
            case [wiki]:
                return _listing(f"/{wiki}/", [*(f"{date}/" for date in DATES), "latest/"])
            case [wiki, date] if date in (*DATES, "latest"):
                return _listing(f"/{wiki}/{date}/", sorted(self._folder(wiki, date, request)))
            case [wiki, date, name] if date in (*DATES, "latest"):
                content = self._folder(wiki, date, request).get(name)
                if content is not None:
                    return file_response(request, content, _content_type(name), hashlib.sha1(content).hexdigest()[:20])
        return html_page("404 Not Found", "<center><h1>404 Not Found</h1></center><hr><center>nginx</center>", 404)

    def _folder(self, wiki: str, date: str, request: Request) -> dict[str, bytes]:
        """Name -> content of the files of one date."""
        day = DATES[-1] if date == "latest" else date
        if (wiki, day) not in self._files:
            articles = self._articles if day == DATES[-1] else max(self._articles * 9 // 10, 1)
            self._files[wiki, day] = _published(make_dump(self._seed, articles, wiki), wiki, day)
        files = self._files[wiki, day]
        if date == "latest":
            # The real folder has links under other names, and checksums that still name the dated files.
            return {
                name.replace(f"{wiki}-{day}-", f"{wiki}-latest-"): data for name, data in files.items() if "-" in name
            }
        return files


def _published(dump: Dump, wiki: str, date: str) -> dict[str, bytes]:
    """The dump's files, with what the mirror says about them."""
    base = f"{wiki}-{date}"
    data = {
        f"{base}-pages-articles-multistream.xml.bz2": dump.pages,
        f"{base}-pages-articles-multistream-index.txt.bz2": dump.index,
    }
    files = dict(data)
    sums: dict[str, Callable] = {"md5": hashlib.md5, "sha1": hashlib.sha1}
    for kind, digest in sums.items():
        lines = [f"{digest(content).hexdigest()}  {name}\n" for name, content in data.items()]
        files[f"{base}-{kind}sums.txt"] = "".join(lines).encode()
    described = {
        name: {
            "size": len(content),
            "url": f"/{wiki}/{date}/{name}",
            "md5": hashlib.md5(content).hexdigest(),
            "sha1": hashlib.sha1(content).hexdigest(),
        }
        for name, content in data.items()
    }
    jobs = {
        "articlesmultistreamdump": {"status": "done", "updated": "2026-01-01 09:14:22", "files": described},
        "metahistory7zdump": {"status": "skipped", "updated": "2026-01-01 09:14:22", "files": {}},
    }
    files["dumpstatus.json"] = json.dumps({"version": "0.8", "jobs": jobs}).encode()
    return files


def _listing(path: str, names: list[str]) -> Response:
    """A directory listing as a web server writes it."""
    lines = "".join(f'<a href="{name}">{name}</a>{" " * max(51 - len(name), 1)}01-Jan-2026 09:14\n' for name in names)
    body = f'<h1>Index of {path}</h1><hr><pre><a href="../">../</a>\n{lines}</pre><hr>'
    return html_page(f"Index of {path}", body)


def _content_type(name: str) -> str:
    if name.endswith(".json"):
        return "application/json"
    return "text/plain" if name.endswith(".txt") else "application/octet-stream"
