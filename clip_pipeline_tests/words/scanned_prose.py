"""What the compiled scanner makes of one wikitext before it counts: a look inside, counting does not come through here.

Kept: running text, headings, list items, link labels, the captions of single images, the literal text of <nowiki>.
Dropped: templates, tables, references, comments, formulas, source code, galleries, categories, language links, urls.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterable, Mapping

import numpy as np

from clip_pipeline.words.table import WordTable
from clip_pipeline.words.wiki_names import ENGLISH_LINK_NAMES
from clip_pipeline.words.wikitext.link_kinds import IMAGE
from clip_pipeline.words.wikitext.links import CAPTION_BEGINS, CAPTION_ENDS
from clip_pipeline.words.wikitext.scanner import CLEAN, PADDING

_CAPTION_MARKS = {CAPTION_BEGINS: "\n", CAPTION_ENDS: "\n"}
_LOCK = threading.Lock()


def plain_text(wikitext: str, link_names: Mapping[str, int] | Iterable[str] = ()) -> str:
    """The readable text of an article, one paragraph, heading or list item a line.

    wikitext: as in the dump, after its XML entities were decoded; HTML entities are decoded here.
    link_names: the wiki's own names of the namespaces whose links show no label, with their kinds (`links.py`); names
    alone are those of files.
    """
    named = dict(link_names) if isinstance(link_names, Mapping) else dict.fromkeys(link_names, IMAGE)
    text, _ = _clean(wikitext, tuple(sorted((ENGLISH_LINK_NAMES | named).items())))
    return tidy_lines(text.translate(_CAPTION_MARKS))


def is_disambiguation(wikitext: str) -> bool:
    """Whether the page says so by a template ({{disambig}}, {{hndis}}, {{geodis}}, ...), a category or the magic word."""
    return _clean(wikitext, tuple(sorted(ENGLISH_LINK_NAMES.items())))[1]


@functools.lru_cache(maxsize=4)
def _table(names: tuple[tuple[str, int], ...]) -> WordTable:
    return WordTable(dict(names))


def _clean(wikitext: str, names: tuple[tuple[str, int], ...]) -> tuple[str, bool]:
    data = wikitext.encode("utf-8", "replace")
    with _LOCK:
        table = _table(names)
        marked, size = table.scan(np.frombuffer(data + bytes(PADDING), np.uint8), 0, len(data), CLEAN)
        return table.work.prose[:size].tobytes().decode(), bool(marked)


def tidy_lines(text: str) -> str:
    """Without the marks of headings and lists, without rests of broken tables, without empty lines."""
    lines = []
    for line in text.split("\n"):
        line = line.strip()
        if not line or line[0] == "|" or line.startswith("{|"):
            continue
        if line[0] in "*#:;":
            line = line.lstrip("*#:; \t")
        elif line[0] == "=":
            line = line.strip("= \t")
        if line:
            lines.append(line)
    return "\n".join(lines)
