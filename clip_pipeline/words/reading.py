"""From the pieces of a dump's XML to counted words: the quick way where pages are as MediaWiki writes them, else expat's."""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator

import numpy as np

from clip_pipeline.errors import DumpError
from clip_pipeline.words.left_out import LeftOutPages
from clip_pipeline.words.pages import WIKITEXT_MODEL, ExportReader, Page
from clip_pipeline.words.segmentation import Segmenter
from clip_pipeline.words.table import WordTable
from clip_pipeline.words.wiki_names import Site
from clip_pipeline.words.wikitext.scanner import CLEAN, ODD_PAGE, PADDING, PAGES, PLAIN_TEXT, WIKITEXT

PAGE_BEGINS, PAGE_ENDS = b"<page>", b"</page>"
UNUSUAL_HEAD = (b"<!--", b"<![CDATA[")
QUICK_ENCODINGS = ("utf-8", "us-ascii")
MIN_CHUNK_BYTES = 4_000_000
"""Decompression and the tables of words drive each other out of the processor's cache, so turns are long: 33.0 ms of CPU a
MB of XML with 4 MB, 33.8 with a stream at a time (2026-11-21)."""
HTML_MODEL = "html"
COUNTED_MODELS = (WIKITEXT_MODEL, HTML_MODEL)
"""Content models whose text a reader reads; others are data (wikibase-item, json) or code (Scribunto, css)."""
MAX_CHUNK_BYTES = 8_000_000
"""A chunk without the end of a page is passed on when it is this large."""


def page_chunks(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes, cut after ends of pages; the last chunk is what follows the last page."""
    waiting: list[bytes] = []
    size = 0
    try:
        for piece in pieces:
            # An end that spans two pieces is found with the next one.
            end = piece.rfind(PAGE_ENDS) if size + len(piece) >= MIN_CHUNK_BYTES else -1
            if end < 0 and size < MAX_CHUNK_BYTES:
                waiting.append(piece)
                size += len(piece)
                continue
            end = end + len(PAGE_ENDS) if end >= 0 else len(piece)
            yield b"".join((*waiting, piece[:end]))
            waiting, size = [piece[end:]], len(piece) - end
    except DumpError:
        # All whole pages before the damage are read, so that the error can name the last one.
        yield b"".join(waiting)
        raise
    yield b"".join(waiting)


class PageCounter:
    """Counts the words of a document, or of a stretch of whole pages, that arrives in chunks. For one thread.

    name: of the dump, for errors. table: where the words go. site: what is known of the wiki. at_pages: the first chunk begins after
    the head, between two pages. segmenter: cuts text that is written without spaces into words; every page is then read by expat.
    left_out: articles that are not counted are added to it.
    """

    def __init__(
        self,
        name: str,
        table: WordTable,
        site: Site | None = None,
        at_pages: bool = False,
        segmenter: Segmenter | None = None,
        left_out: LeftOutPages | None = None,
    ):
        self.name = name
        self.table = table
        self.site = site or Site()
        self.segmenter = segmenter
        self.left_out = LeftOutPages() if left_out is None else left_out
        self.last_title: str | None = None
        self._reader: ExportReader | None = None if at_pages else ExportReader(name, self.site)
        self._in_head = not at_pages

    @property
    def between_pages(self) -> bool:
        """Whether the next chunk could as well be counted by another counter."""
        return self._reader is None

    def add(self, chunk: bytes) -> None:
        """Counts the next chunk. Raises DumpError where it is no export."""
        padded = np.frombuffer(chunk + bytes(PADDING), np.uint8)
        i, n = 0, len(chunk)
        while i < n:
            if self._reader is None:
                status, i = self.table.scan(padded, i, n, PAGES)
                start, end = self.table.work.title
                if end:
                    self.last_title = html.unescape(chunk[start:end].decode())
                    self.table.work.title[:] = 0
                if status != ODD_PAGE:
                    return
                self._reader = self._new_reader()
            i = self._read_carefully(chunk, i)

    def close(self) -> None:
        """To be called after the last chunk. Raises DumpError where the document is not complete."""
        reader = self._reader or self._new_reader()
        self._count_pages(reader.close())

    def reached(self) -> str:
        """How far the counting came, for errors."""
        return (self._reader or self._new_reader()).reached()

    def _new_reader(self) -> ExportReader:
        reader = ExportReader(self.name, self.site, self.last_title)
        self._count_pages(reader.feed(b"<mediawiki>"))
        return reader

    def _read_carefully(self, chunk: bytes, i: int) -> int:
        """Gives expat the head of the document, or the bytes up to the next end of a page; returns the byte after it."""
        reader = self._reader
        assert reader is not None
        if self._in_head:
            end = chunk.find(PAGE_BEGINS, i)
            head = chunk[i : end if end >= 0 else len(chunk)]
            self._count_pages(reader.feed(head))
            usual = not any(mark in head for mark in UNUSUAL_HEAD)
            self._in_head = end < 0 and usual
            if end >= 0 and usual and reader.in_root:
                self._leave(reader)
            return i + len(head)
        end = chunk.find(PAGE_ENDS, i)
        end = end + len(PAGE_ENDS) if end >= 0 else len(chunk)
        self._count_pages(reader.feed(chunk[i:end]))
        if reader.between_pages and reader.in_root:
            self._leave(reader)
        return end

    def _leave(self, reader: ExportReader) -> None:
        """Goes on without expat, where the bytes are those of UTF-8."""
        if reader.encoding not in QUICK_ENCODINGS or self.segmenter is not None:
            return
        self.site = reader.site
        self.last_title = reader.last_title
        self._reader = None

    def _count_pages(self, pages: Iterable[Page]) -> None:
        for page in pages:
            self.last_title = page.title
            if page.namespace != 0 or page.redirect:
                continue
            if page.model not in COUNTED_MODELS:
                self.left_out.add_page(page.model, page.title)
            elif page.model == HTML_MODEL:
                from clip_pipeline.words.html import html_text

                add_text(self.table, self._cut(html_text(page.text).marked))
            elif self.segmenter is None:
                add_text(self.table, page.text, WIKITEXT)
            else:
                prose = prose_of(self.table, page.text)
                if prose:
                    add_text(self.table, self._cut(prose))

    def _cut(self, text: str) -> str:
        return text if self.segmenter is None else self.segmenter.cut(text)


def add_text(table: WordTable, text: str, task: int = PLAIN_TEXT) -> None:
    """Counts one article: its WIKITEXT or its PLAIN_TEXT."""
    table.scan(*_padded(text.encode()), task)


def prose_of(table: WordTable, wikitext: str) -> str:
    """The prose of a wikitext and the captions of its galleries, with the marks of captions; "" for a disambiguation page."""
    marked, size = table.scan(*_padded(wikitext.encode()), CLEAN)
    if marked:
        return ""
    prose = table.work.prose[:size].tobytes().decode()
    filled = int(table.work.title[0])
    table.work.title[:] = 0
    if filled:
        _, size = table.scan(*_padded(table.work.captions[:filled].tobytes()), CLEAN)
        prose += "\n" + table.work.prose[:size].tobytes().decode()
        table.work.title[:] = 0
    return prose


def _padded(data: bytes) -> tuple[np.ndarray, int, int]:
    return np.frombuffer(data + bytes(PADDING), np.uint8), 0, len(data)


def read_site(pieces: Iterable[bytes], name: str) -> Site:
    """The wiki's language and its names of namespaces from the head of a document, the canonical ones where it has no head."""
    reader = ExportReader(name)
    for piece in pieces:
        end = piece.find(PAGE_BEGINS)
        first_page = next(iter(reader.feed(piece[:end] if end >= 0 else piece)), None)
        if end >= 0 or first_page is not None:
            break
    return reader.site
