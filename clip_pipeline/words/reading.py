"""From the pieces of a dump's XML to counted words: the quick way where pages are as MediaWiki writes them, else expat's."""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator

import numpy as np

from clip_pipeline.errors import DumpError
from clip_pipeline.words.pages import CANONICAL_NAMESPACES, ExportReader, Page
from clip_pipeline.words.table import WordTable
from clip_pipeline.words.wikitext.link_kinds import CATEGORY, IMAGE, SOUND
from clip_pipeline.words.wikitext.scanner import ODD_PAGE, PADDING, PAGES, PLAIN_TEXT, WIKITEXT

PAGE_BEGINS, PAGE_ENDS = b"<page>", b"</page>"
UNUSUAL_HEAD = (b"<!--", b"<![CDATA[")
QUICK_ENCODINGS = ("utf-8", "us-ascii")
MIN_CHUNK_BYTES = 4_000_000
"""Decompression and the tables of words drive each other out of the processor's cache, so turns are long: 33.0 ms of CPU a
MB of XML with 4 MB, 33.8 with a stream at a time (2026-11-21)."""
MAX_CHUNK_BYTES = 8_000_000
"""A chunk without the end of a page is passed on when it is this large."""
LABEL_LESS = {-2: SOUND, 6: IMAGE, 14: CATEGORY}
ENGLISH_LINK_NAMES = {"File": IMAGE, "Image": IMAGE, "Media": SOUND, "Category": CATEGORY}


def link_names(namespaces: dict[int, str]) -> dict[str, int]:
    """The names of files, media files and categories, in English and as the wiki calls them."""
    return ENGLISH_LINK_NAMES | {namespaces[key]: kind for key, kind in LABEL_LESS.items() if namespaces.get(key)}


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

    name: of the dump, for errors. table: where the words go. namespaces: the wiki's names of its namespaces.
    at_pages: the first chunk begins after the head, between two pages.
    """

    def __init__(self, name: str, table: WordTable, namespaces: dict[int, str] | None = None, at_pages: bool = False):
        self.name = name
        self.table = table
        self.namespaces = dict(namespaces or CANONICAL_NAMESPACES)
        self.last_title: str | None = None
        self._reader: ExportReader | None = None if at_pages else ExportReader(name, self.namespaces)
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
        reader = ExportReader(self.name, self.namespaces, self.last_title)
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
        if reader.encoding not in QUICK_ENCODINGS:
            return
        self.namespaces = reader.namespaces
        self.last_title = reader.last_title
        self._reader = None

    def _count_pages(self, pages: Iterable[Page]) -> None:
        for page in pages:
            self.last_title = page.title
            if page.namespace == 0 and not page.redirect:
                add_text(self.table, page.text, WIKITEXT)


def add_text(table: WordTable, text: str, task: int = PLAIN_TEXT) -> None:
    """Counts one article: its WIKITEXT or its PLAIN_TEXT."""
    data = text.encode()
    table.scan(np.frombuffer(data + bytes(PADDING), np.uint8), 0, len(data), task)


def read_namespaces(pieces: Iterable[bytes], name: str) -> dict[int, str]:
    """The wiki's names of its namespaces from the head of a document, the canonical ones where it has no head."""
    reader = ExportReader(name)
    for piece in pieces:
        end = piece.find(PAGE_BEGINS)
        first_page = next(iter(reader.feed(piece[:end] if end >= 0 else piece)), None)
        if end >= 0 or first_page is not None:
            break
    return reader.namespaces
