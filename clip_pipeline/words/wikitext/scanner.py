"""The compiled scanner: bytes of an export in, words counted in a hash table out, without the interpreter's lock.

`scan` is the one function that is called from Python. It runs through a text six times (seven where it holds language variants), each time over what is left of
it: XML (`page_scan.py`), elements, templates and tables, links, prose, words (`word_counter.py`).
"""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from clip_pipeline.machine.numba_cache import cached
from clip_pipeline.words.wikitext.characters import Characters
from clip_pipeline.words.wikitext.code_points import kernel
from clip_pipeline.words.wikitext.elements import NameTable, drop_elements
from clip_pipeline.words.wikitext.entities import Entities
from clip_pipeline.words.wikitext.hash_table import ARENA, ARTICLES, ENTRIES, fill_slots
from clip_pipeline.words.wikitext.links import resolve_links
from clip_pipeline.words.wikitext.names import NameList
from clip_pipeline.words.wikitext.normal_form import NormalForm
from clip_pipeline.words.wikitext.page_scan import ARTICLE, ODD, begins_page, scan_page
from clip_pipeline.words.wikitext.prose import write_prose
from clip_pipeline.words.wikitext.templates import drop_templates_and_tables
from clip_pipeline.words.wikitext.variants import resolve_variants
from clip_pipeline.words.wikitext.word_counter import POSSESSIVES_MERGED, WORD_FREQUENCY, count_runs, count_words

PAGES, WIKITEXT, PLAIN_TEXT, CLEAN, GROW = 0, 1, 2, 3, 4
"""What `scan` is given and does: count XML pages, one wikitext, one plain text; turn a wikitext to prose and count nothing;
or find the slots of all words again in a table that has grown."""
DONE, ODD_PAGE = 0, 1
PADDING = 64
"""Bytes 0 that stand behind every text, so that looking ahead needs no check."""

_KERNELS = (
    *(
        "characters",
        "code_points",
        "elements",
        "entities",
        "external_links",
        "hash_table",
        "hidden",
        "link_kinds",
        "links",
    ),
    *("names", "normal_form", "page_scan", "prose", "prose_templates", "quotes", "scanner", "templates", "variants"),
    "word_counter",
)
"""The files whose code `scan` is compiled of: all of this folder."""


class Wiki(NamedTuple):
    """Names of one wiki. names: of namespaces whose links show no label; options: of pictures; redirects, switches and codes (of
    languages): of all wikis. converts: whether -{...}- marks language variants here."""

    names: NameList
    options: NameList
    redirects: NameList
    switches: np.ndarray
    codes: NameTable
    converts: bool


class Language(NamedTuple):
    """All tables that are only read."""

    characters: Characters
    normal: NormalForm
    elements: NameTable
    entities: Entities
    templates: NameTable
    parameters: NameTable
    wiki: Wiki


class Work(NamedTuple):
    """Room for one text at a time: of n bytes in `text`, so 2 n in `prose`, 8 n in `captions`, n / 2 cells in `stack`.

    marks: int64, the cells of `quotes.py`. title: int64, where the title of the last page that was read is in the data, [start, end).
    """

    text: np.ndarray
    prose: np.ndarray
    captions: np.ndarray
    stack: np.ndarray
    marks: np.ndarray
    title: np.ndarray


def _digest() -> str:
    folder = Path(__file__).parent
    return hashlib.sha256(b"".join((folder / f"{name}.py").read_bytes() for name in _KERNELS)).hexdigest()


@kernel(inline="always")
def _end_text(text, n):
    for j in range(n, n + PADDING):
        text[j] = 0


@kernel(inline="always")
def _clean(text, n, work, language):
    """Wikitext in text[:n] to prose in work.prose: its size, the size of the captions, and is it a disambiguation page."""
    flags = language.characters.flags
    n, filled = drop_elements(text, n, flags, language.elements, work.captions)
    _end_text(text, n)
    n, marked, variants = drop_templates_and_tables(text, n, flags, work.stack, language.templates, language.parameters)
    _end_text(text, n)
    if variants and language.wiki.converts:
        n = resolve_variants(text, n, language.wiki.codes, work.stack)
        _end_text(text, n)
    n = resolve_links(text, n, language.characters, language.wiki, work.stack)
    _end_text(text, n)
    n, also_marked = write_prose(
        text,
        n,
        work.prose,
        language.characters,
        language.elements,
        language.entities,
        language.wiki.switches,
        work.marks,
    )
    _end_text(work.prose, n)
    return n, filled, marked or also_marked


@kernel
def _has_room(table, n):
    """Whether the table has room for whatever n bytes of prose may hold: a word is a byte and a blank at least."""
    words = n // 2 + 1
    entries = table.used[ENTRIES] + words
    return (
        entries <= table.entries.shape[0]
        and entries + entries // 3 <= table.slots.size
        and table.used[ARENA] + 2 * n + PADDING <= table.arena.size
    )


def _make_scan(digest):
    # numba's cache knows the file of the function that it compiled, not the files of those that this one calls. It does
    # know the values that a function closes over: another digest is another entry.
    # Each function that is called is optimised again with all that it calls, so calls are few levels deep, and each of the
    # large functions is called at one place: 29 s of compiling became 12 s (2026-11-21).
    def scan(data, i, n, task, rules, work, language, table):
        if len(digest) == 0:
            return DONE, 0, 0
        if task == GROW:
            fill_slots(table)
            return DONE, 0, 0
        while True:
            if task == PAGES:
                while i < n and (data[i] == 10 or data[i] == 32):
                    i += 1
                if i >= n:
                    break
                if not begins_page(data, i):
                    return ODD_PAGE, i, 0
                end, kind, size = scan_page(
                    data, i, work.text, work.title, work.stack, language.wiki.redirects, language.characters
                )
                if end == ODD:
                    return ODD_PAGE, i, 0
                if kind != ARTICLE:
                    i = end
                    continue
            else:
                end, size = n, n - i
                for j in range(size):
                    work.text[j] = data[i + j]
            text, prose, filled, marked = work.text, work.text, 0, False
            in_gallery = False
            while True:
                _end_text(text, size)
                if task != PLAIN_TEXT:
                    size, filled, marked = _clean(text, size, work, language)
                    prose = work.prose
                if not in_gallery:
                    if task == CLEAN:
                        work.title[0], work.title[1] = filled, 0
                        return (1 if marked else 0), size, 0
                    if marked:
                        break
                    if not _has_room(table, size + 2 * filled):
                        return DONE, i, size + 2 * filled
                    table.used[ARTICLES] += 1
                if rules == WORD_FREQUENCY:
                    count_runs(prose, size, table, language.characters, table.used[ARTICLES])
                else:
                    merge = rules == POSSESSIVES_MERGED
                    count_words(prose, size, table, language.characters, language.normal, table.used[ARTICLES], merge)
                if in_gallery or filled == 0:
                    break
                # What galleries may be found in the captions of galleries goes nowhere: there is none left.
                text, size, in_gallery = work.captions, filled, True
            i = end
            if task != PAGES:
                break
        return DONE, i, 0

    return cached(functools.partial(kernel, nogil=True, no_cpython_wrapper=False))(scan)


scan = _make_scan(_digest())
"""scan(data, i, n, task, rules, work, language, table): works through data[i:n] (uint8, PADDING bytes 0 after n).

Returns DONE or ODD_PAGE (a page that expat must read), the byte up to which all is counted, and 0; or in place of 0 the
bytes of prose for which the table needs more room before it goes on from that byte. For CLEAN: 1 where the page is a
disambiguation page, the size of the prose in work.prose, and in work.title[0] the bytes of captions of galleries in work.captions.
"""
