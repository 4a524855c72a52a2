"""The compiled scanner: bytes of an export in, words counted in a hash table out, without the interpreter's lock.

`scan` is the one function that is called from Python. It runs through a text six times, each time over what is left of
it: XML (`page_scan.py`), elements, templates and tables, links, prose, words (`tally.py`).
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numba import njit

from clip_pipeline.words.characters import Characters
from clip_pipeline.words.elements import NameTable, drop_elements
from clip_pipeline.words.entities import Entities
from clip_pipeline.words.links import LinkNames, resolve_links
from clip_pipeline.words.page_scan import ARTICLE, ODD, begins_page, scan_page
from clip_pipeline.words.prose import write_prose
from clip_pipeline.words.tally import ARENA, ARTICLES, ENTRIES, count_words, fill_slots
from clip_pipeline.words.templates import drop_templates_and_tables

PAGES, WIKITEXT, PLAIN_TEXT, CLEAN, GROW = 0, 1, 2, 3, 4
"""What `scan` is given and does: count XML pages, one wikitext, one plain text; turn a wikitext to prose and count nothing;
or find the slots of all words again in a table that has grown."""
DONE, ODD_PAGE = 0, 1
PADDING = 64
"""Bytes 0 that stand behind every text, so that looking ahead needs no check."""

_KERNELS = ("characters", "elements", "engine", "entities", "links", "page_scan", "prose", "tally", "templates")


class Language(NamedTuple):
    """All tables that are only read."""

    characters: Characters
    elements: NameTable
    options: NameTable
    entities: Entities
    names: LinkNames


class Work(NamedTuple):
    """Room for one text at a time: of n bytes in `text`, so 2 n in `prose`, 8 n in `captions`, n / 2 cells in `stack`.

    title: int64, where the title of the last page that was read is in the data, [start, end).
    """

    text: np.ndarray
    prose: np.ndarray
    captions: np.ndarray
    stack: np.ndarray
    title: np.ndarray


def _digest() -> str:
    folder = Path(__file__).parent
    return hashlib.sha256(b"".join((folder / f"{name}.py").read_bytes() for name in _KERNELS)).hexdigest()


@njit
def _end_text(text, n):
    text[n : n + PADDING] = 0


@njit
def _clean(text, n, work, language, captions):
    """Wikitext in text[:n] to prose in work.prose: its size, the size of `captions`, and is it a disambiguation page."""
    flags = language.characters.flags
    _end_text(text, n)
    n, filled = drop_elements(text, n, flags, language.elements, captions)
    _end_text(text, n)
    n, marked = drop_templates_and_tables(text, n, flags, work.stack)
    _end_text(text, n)
    n = resolve_links(text, n, language.characters, language.names, language.options, work.stack)
    _end_text(text, n)
    n, also_marked = write_prose(text, n, work.prose, flags, language.elements, language.entities)
    _end_text(work.prose, n)
    return n, filled, marked or also_marked


@njit
def _has_room(table, n):
    """Whether the table has room for whatever n bytes of prose may hold: a word is a byte and a blank at least."""
    words = n // 2 + 1
    entries = table.used[ENTRIES] + words
    return (
        entries <= table.entries.shape[0]
        and entries + entries // 3 <= table.slots.size
        and table.used[ARENA] + 2 * n + PADDING <= table.arena.size
    )


@njit
def _count_article(n, work, language, table, rules):
    """Counts the wikitext in work.text[:n]; returns 0, or the bytes of prose that the table has no room for."""
    n, filled, is_disambiguation = _clean(work.text, n, work, language, work.captions)
    if is_disambiguation:
        return 0
    if not _has_room(table, n + 2 * filled):
        return n + 2 * filled
    table.used[ARTICLES] += 1
    document = table.used[ARTICLES]
    count_words(work.prose, n, table, language.characters, document, False, rules)
    if filled:
        # What it may find of galleries goes nowhere: there is none left.
        n, _, _ = _clean(work.captions, filled, work, language, work.captions)
        count_words(work.prose, n, table, language.characters, document, True, rules)
    return 0


def _make_scan(digest):
    # numba's cache knows the file of the function that it compiled, not the files of those that this one calls. It does
    # know the values that a function closes over: another digest is another entry.
    @njit(cache=True, nogil=True)
    def scan(data, i, n, task, rules, work, language, table):
        if len(digest) == 0:
            return DONE, 0, 0
        if task == PAGES:
            while i < n:
                c = data[i]
                if c == 10 or c == 32:
                    i += 1
                    continue
                if not begins_page(data, i):
                    return ODD_PAGE, i, 0
                end, kind, size = scan_page(data, i, work.text, work.title)
                if end == ODD:
                    return ODD_PAGE, i, 0
                if kind == ARTICLE:
                    needed = _count_article(size, work, language, table, rules)
                    if needed:
                        return DONE, i, needed
                i = end
            return DONE, i, 0
        if task == GROW:
            fill_slots(table)
            return DONE, 0, 0
        size = n - i
        work.text[:size] = data[i:n]
        if task == CLEAN:
            size, _, marked = _clean(work.text, size, work, language, work.captions)
            return (1 if marked else 0), size, 0
        if task == WIKITEXT:
            needed = _count_article(size, work, language, table, rules)
            return DONE, (i if needed else n), needed
        _end_text(work.text, size)
        if not _has_room(table, size):
            return DONE, i, size
        table.used[ARTICLES] += 1
        count_words(work.text, size, table, language.characters, table.used[ARTICLES], False, rules)
        return DONE, n, 0

    return scan


scan = _make_scan(_digest())
"""scan(data, i, n, task, rules, work, language, table): works through data[i:n] (uint8, PADDING bytes 0 after n).

Returns DONE or ODD_PAGE (a page that expat must read), the byte up to which all is counted, and 0; or in place of 0 the
bytes of prose for which the table needs more room before it goes on from that byte. For CLEAN: 1 where the page is a
disambiguation page, and the size of the prose in work.prose.
"""
