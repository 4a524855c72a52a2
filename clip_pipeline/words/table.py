"""The words counted so far by one thread: a hash table of bounded size, which goes to disk as a sorted run when full."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from clip_pipeline.machine.progress import waiting
from clip_pipeline.records import WORD_COUNTS
from clip_pipeline.words.sorted_runs import write_run
from clip_pipeline.words.wiki_names import Site, all_names, image_options
from clip_pipeline.words.wikitext.characters import character_tables
from clip_pipeline.words.wikitext.elements import element_table, make_name_table
from clip_pipeline.words.wikitext.entities import entity_table
from clip_pipeline.words.wikitext.hash_table import (
    ARENA,
    ARTICLES,
    CAPITALISED,
    CAPTIONED,
    COUNT,
    DOCUMENTS,
    ENTRIES,
    PLACE,
    POSSESSIVES,
    SIZE_BITS,
    Table,
)
from clip_pipeline.words.wikitext.names import make_name_hashes, make_name_list
from clip_pipeline.words.wikitext.normal_form import ROOM, normal_form
from clip_pipeline.words.wikitext.page_scan import ENGLISH
from clip_pipeline.words.wikitext.prose_templates import parameter_table, template_table
from clip_pipeline.words.wikitext.quotes import CELLS
from clip_pipeline.words.wikitext.scanner import GROW, PADDING, Language, Wiki, Work, scan

MAX_ENTRIES = 1_000_000
"""Words that a table holds before it goes to disk: 56 bytes each, 8 for its slots and about 10 for its letters."""
MIN_ENTRIES = 3 << 15
_NO_DATA = np.frombuffer(bytes(PADDING), np.uint8)


@functools.lru_cache(maxsize=4)
def language_tables(names: tuple[tuple[str, int], ...], options: tuple[str, ...], converts: bool) -> Language:
    """All tables that `scan` reads. names: (name of a namespace, IMAGE, SOUND or CATEGORY). options: of pictures."""
    of_all = all_names()
    return Language(
        characters=character_tables(),
        normal=normal_form(),
        elements=element_table(),
        entities=entity_table(),
        templates=template_table(),
        parameters=parameter_table(),
        wiki=Wiki(
            names=make_name_list(dict(names)),
            options=make_name_list(dict.fromkeys(options, 0)),
            redirects=make_name_list({name: int(name == "redirect") * ENGLISH for name in of_all["redirects"]}),
            switches=make_name_hashes(of_all["switches"]),
            codes=make_name_table(dict.fromkeys(of_all["codes"], 1)),
            converts=converts,
        ),
    )


def make_work(size: int) -> Work:
    """Room for texts of at most `size` bytes."""
    return Work(
        text=np.empty(size + 2 * PADDING, np.uint8),
        prose=np.empty(8 * size + 2 * PADDING, np.uint8),
        captions=np.empty(8 * size + 2 * PADDING, np.uint8),
        stack=np.empty(4 * size + 2 * PADDING, np.int64),
        marks=np.zeros(CELLS, np.int64),
        title=np.zeros(2, np.int64),
    )


def _aligned_rows(entries: int) -> np.ndarray:
    """uint64 (entries, 4), none of whose rows lies in two cache lines."""
    room = np.empty(4 * entries + 8, np.uint64)
    start = -room.ctypes.data % 64 // 8
    return room[start : start + 4 * entries].reshape(entries, 4)


class WordTable:
    """Counts words; `finish` gives them back. Not for several threads at a time.

    names: the wiki's names of namespaces whose links show no label, with what they are (`link_kinds.py`).
    rules: PLAIN, WORD_FREQUENCY or POSSESSIVES_MERGED (`word_counter.py`). options: what the wiki calls the options of pictures, by
    default in English. converts: whether -{...}- marks language variants there. folder: where runs go; without it the table grows without a bound.
    max_entries: words that it holds before it goes there. min_entries: words that it has room for at first.
    """

    def __init__(
        self,
        names: Mapping[str, int],
        rules: int = 0,
        folder: Path | None = None,
        max_entries: int = MAX_ENTRIES,
        min_entries: int = MIN_ENTRIES,
        options: Sequence[str] = (),
        converts: bool = False,
    ):
        self.language = language_tables(tuple(sorted(names.items())), tuple(options) or image_options(Site()), converts)
        self.rules = rules
        self.folder = folder
        self.max_entries, self.min_entries = max_entries, min_entries
        self.runs: list[Path] = []
        self.articles = 0
        self.words = 0
        self.possessives = 0
        self.work = make_work(1 << 20)
        self._seed = np.frombuffer(os.urandom(8), np.uint64)
        self._table = self._empty_table(self.min_entries, 16 * self.min_entries)
        if not scan.signatures:  # neither compiled nor read from numba's cache in this process yet
            with waiting("Loading the word scanner, which is compiled once on this machine"):
                nothing = np.frombuffer(bytes(PADDING), np.uint8)
                scan(nothing, 0, 0, GROW, self.rules, self.work, self.language, self._table)

    def scan(self, data: np.ndarray, i: int, n: int, task: int) -> tuple[int, int]:
        """`scanner.scan` over data[i:n], with as much room as it needs. Returns DONE or ODD_PAGE, and the byte reached."""
        if n - i > self.work.text.size - 2 * PADDING:
            self.work = make_work(max(n - i, 2 * self.work.text.size))
        if self._table.token.size < 3 * self.work.text.size:
            self._table = self._table._replace(token=np.empty(3 * self.work.text.size, np.uint8))
        while True:
            status, i, needed = scan(data, i, n, task, self.rules, self.work, self.language, self._table)
            if not needed:
                return status, i
            self._make_room(needed)

    def finish(self) -> pa.Table:
        """What has been counted since the last run, as WORD_COUNTS sorted by word; the table is empty afterwards."""
        table = self._to_arrow()
        self._table = self._empty_table(self.min_entries, 16 * self.min_entries)
        return table

    def _empty_table(self, entries: int, arena: int) -> Table:
        slots = 1 << (entries + entries // 3 - 1).bit_length()
        return Table(
            slots=np.zeros(slots, np.uint32),
            entries=_aligned_rows(entries),
            more=np.empty((entries, 3), np.uint64),
            arena=np.empty(arena, np.uint8),
            token=np.empty(3 * self.work.text.size, np.uint8),
            codes=np.empty(ROOM, np.int32),
            used=np.zeros(4, np.int64),
            seed=self._seed,
        )

    def _make_room(self, prose: int) -> None:
        """Room for the words of `prose` bytes more: a table twice the size, or an empty one, the full one on disk."""
        old = self._table
        entries = int(old.used[ENTRIES]) + prose // 2 + 1
        if self.folder is not None and old.used[ENTRIES] and entries > self.max_entries:
            path = self.folder / f"{id(self):x}-{len(self.runs):05}.parquet"
            write_run([self._to_arrow()], path)
            self.runs.append(path)
            entries = prose // 2 + 1
            self._table = self._empty_table(max(entries, len(old.entries)), max(2 * prose + PADDING, old.arena.size))
            return
        arena = int(old.used[ARENA]) + 2 * prose + PADDING
        grown = self._empty_table(max(entries, 2 * len(old.entries)), max(arena, 2 * old.arena.size))
        grown.entries[: old.used[ENTRIES]] = old.entries[: old.used[ENTRIES]]
        grown.more[: old.used[ENTRIES]] = old.more[: old.used[ENTRIES]]
        grown.arena[: old.used[ARENA]] = old.arena[: old.used[ARENA]]
        grown.used[:] = old.used
        scan(_NO_DATA, 0, 0, GROW, self.rules, self.work, self.language, grown)
        self._table = grown

    def _to_arrow(self) -> pa.Table:
        used = self._table.used
        self.articles += int(used[ARTICLES])
        self.possessives += int(used[POSSESSIVES])
        rows = int(used[ENTRIES])
        entries, more = self._table.entries[:rows], self._table.more[:rows]
        self.words += int(entries[:, COUNT].sum())
        # The arena holds the words one after the other in the order of their entries.
        offsets = np.empty(rows + 1, np.int64)
        offsets[:-1] = more[:, PLACE] >> np.uint64(SIZE_BITS)
        offsets[-1] = used[ARENA]
        data = self._table.arena[: used[ARENA]]
        words = pa.LargeStringArray.from_buffers(rows, pa.py_buffer(offsets), pa.py_buffer(data))
        order = pc.array_sort_indices(words)
        numbers = (entries[:, COUNT], entries[:, DOCUMENTS] >> np.uint64(32), more[:, CAPITALISED], more[:, CAPTIONED])
        return pa.table(
            [
                words.take(order).cast(pa.string()),
                *(pa.array(column.astype(np.int64)).take(order) for column in numbers),
            ],
            schema=WORD_COUNTS,
        )
