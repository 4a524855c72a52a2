"""Captions made clean, and the corpus that the tokenizer learns from."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path

from clip_pipeline.text.word_boundaries import JOINERS, drop_unseen

_WHITESPACE = re.compile(r"\s+")
_TAG = re.compile(r"</?[a-zA-Z][^<>]{0,200}>")
_QUOTES = str.maketrans({"‘": "'", "’": "'", "‚": "'", "‛": "'", "“": '"', "”": '"', "„": '"', "‟": '"'})


def clean_caption(text: str, max_chars: int = 400) -> str:
    """One caption as one line of plain text; "" where nothing is left.

    HTML entities are resolved (twice: `&amp;quot;` is common) and tags removed, the characters put into Unicode's NFKC
    form, curly quotes straightened, control characters dropped, white space folded. What cannot be seen goes by the rule of words
    (`text/word_boundaries.py`): joiners stay where a script is written with them, the zero-width space becomes a blank. A caption longer than `max_chars`
    is cut at the last word that fits. Cleaning a clean caption changes nothing.
    """
    if "&" in text:
        text = html.unescape(html.unescape(text))
    if "<" in text:
        text = _TAG.sub(" ", text)
    if not text.isascii():
        text = drop_unseen(text.replace("\u200b", " "))
        text = drop_unseen(unicodedata.normalize("NFKC", text)).translate(_QUOTES)
    if not text.isprintable():
        # Cc control, Cf invisible format marks, Cs lone surrogates, Co private use, Cn unassigned
        text = "".join(
            " " if c.isspace() else c for c in text if c.isspace() or c in JOINERS or unicodedata.category(c)[0] != "C"
        )
    text = _WHITESPACE.sub(" ", text).strip()
    return text if len(text) <= max_chars else _cut_at_word(text, max_chars)


def _cut_at_word(text: str, max_chars: int) -> str:
    if text[max_chars] == " ":
        return text[:max_chars].rstrip()
    head, space, _ = text[:max_chars].rpartition(" ")
    return head.rstrip() if space else text[:max_chars]


def write_corpus(captions: Iterable[str], path: Path) -> int:
    """Writes the distinct captions, one a line, sorted by code point, in UTF-8; returns how many.

    The order and repetitions of the input leave the file unchanged.
    """
    lines = sorted({" ".join(caption.split()) for caption in captions} - {""})
    with path.open("w", encoding="utf-8", newline="\n") as stream:
        for line in lines:
            stream.write(line + "\n")
    return len(lines)
