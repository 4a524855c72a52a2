"""Text of 27 characters: a to z and the space, by the rules of text8, from any dump or from a file that is such text already.

The rules are Matt Mahoney's wikifil.pl of 2006 (mattmahoney.net/dc/textdata.html), here on the text of each page: what a reader sees stays,
in lower case, digits are spelled out, all else is one space. Pages of every namespace count, as there; redirects do not. text8 is the first 100,000,000
characters of what they make of the English Wikipedia of March 2006: the first 90 million train, the next 5 validate, the last 5 test.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from clip_pipeline.errors import InputError
from clip_pipeline.language.alphabet import require_alphabet
from clip_pipeline.sources.tables.text_files import CHUNK_BYTES, UNPACKING_ERRORS, open_bytes
from clip_pipeline.sources.wikimedia.dump_files import DumpPart, describe_dump, part_pieces
from clip_pipeline.words.pages import WIKITEXT_MODEL, ExportReader

logger = logging.getLogger(__name__)

TRUE_CHARACTERS, TRUE_MD5 = 100_000_000, "3bea1919949baf155f99411df5fada7e"
"""Of text8 as its author publishes it."""
SPLITS = ("train", "validation", "test")
MAX_CHARACTERS = 1 << 31

_DIGITS = {
    str(digit): f" {name} "
    for digit, name in enumerate(["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"])
}
_REDIRECT = re.compile(b"#redirect", re.IGNORECASE)
_URL = re.compile(rb"\[http:[^\] ]*")
_IMAGE_WORDS = [re.compile(rb"\|" + word, re.IGNORECASE) for word in (rb"thumb", rb"left", rb"right", rb"[0-9]+px")]
"""Taken out one after the other, as there: what one leaves may make another."""
_IMAGE = re.compile(rb"\[\[image:[^\[\]]*\|", re.IGNORECASE)
_CATEGORY = re.compile(rb"\[\[category:", re.IGNORECASE)
_NOT_A_LETTER = re.compile(rb"[^a-z]+")


@dataclass(frozen=True)
class PageCounts:
    """What became of the pages of a dump. left_out: redirects and pages that are no wikitext (code, data); empty: those of which nothing stays."""

    taken: int
    redirects: int
    other_models: int
    empty: int


def clean_page(text: str) -> bytes:
    """A page's wikitext as text8 has it, with a space in front; empty for a redirect, and where nothing is left."""
    raw = text.replace('"', "&quot;").encode()  # as a dump escapes it; the rules see escapes
    if _REDIRECT.search(raw):
        return b""
    raw = raw.replace(b"&lt;", b"<").replace(b"&gt;", b">")
    raw = _without(raw, re.compile(b"<ref"), b"<", b"</ref>")
    raw = _without(raw, re.compile(b"<"), b">", b">")
    raw = _URL.sub(b"[", raw)
    for word in (*_IMAGE_WORDS, _IMAGE):
        raw = word.sub(b"", raw)
    raw = _without(raw, _CATEGORY, b"]", b"]]", category=True)
    raw = _without(raw, re.compile(rb"\[\[[a-z\-]*:"), b"]", b"]]")
    raw = _link_labels(raw)
    raw = _without(raw, re.compile(rb"\{\{"), b"}", b"}}")
    raw = _without(raw, re.compile(rb"\{"), b"}", b"}")
    raw = raw.replace(b"[", b"").replace(b"]", b"")
    raw = _without(raw, re.compile(b"&"), b";", b";", left=b" ").lower()
    for digit, name in _DIGITS.items():
        raw = raw.replace(digit.encode(), name.encode())
    return _NOT_A_LETTER.sub(b" ", b" " + raw + b" ")[:-1]


def _without(
    raw: bytes, opening: re.Pattern[bytes], stop: bytes, closing: bytes, left: bytes = b"", category: bool = False
) -> bytes:
    """`opening`, anything but `stop`, then `closing`, replaced by `left`: what a regular expression does, but in one walk through pages
    that open a million times and never close. category: the name stays, in brackets."""
    kept, start, look = [], 0, 0
    while found := opening.search(raw, look):
        end = raw.find(stop, found.end())
        if end < 0:
            break
        if not raw.startswith(closing, end):
            look = end  # all that opens before this stop ends at it as well
            continue
        kept += [raw[start : found.start()], left]
        if category:
            kept += [b"[[", raw[found.end() : end].partition(b"|")[0], b"]]"]
        start = look = end + len(closing)
    return b"".join((*kept, raw[start:]))


def _link_labels(raw: bytes) -> bytes:
    """[[page|label]] as [[label]]."""
    kept, start, look = [], 0, 0
    bar_or_end = re.compile(rb"[|\]]")
    while (opening := raw.find(b"[[", look)) >= 0:
        found = bar_or_end.search(raw, opening + 2)
        if found is None:
            break
        look = found.end()
        if found.group() == b"|":
            kept += [raw[start:opening], b"[["]
            start = look
        else:
            look = found.start()
    return b"".join((*kept, raw[start:]))


def dump_text(parts: Iterable[tuple[Path, DumpPart]], most: int = 0) -> tuple[bytes, PageCounts]:
    """The text of a dump's parts in their order, at most `most` characters of it where that is not 0. Raises DumpError as reading does."""
    pieces: list[bytes] = []
    length = taken = redirects = other_models = empty = 0
    for text, model in _pages(parts):
        if model != WIKITEXT_MODEL:
            other_models += 1
            continue
        cleaned = clean_page(text)
        if not cleaned:
            redirected = _REDIRECT.search(text.encode()) is not None
            redirects, empty = redirects + redirected, empty + (not redirected)
            continue
        taken += 1
        pieces.append(cleaned)
        length += len(cleaned)
        if length >= (most or MAX_CHARACTERS):
            break
    text8 = b"".join(pieces)
    return text8[: most or MAX_CHARACTERS], PageCounts(taken, redirects, other_models, empty)


def _pages(parts: Iterable[tuple[Path, DumpPart]]) -> Iterator[tuple[str, str]]:
    """Text and content model of every page."""
    for path, part in parts:
        reader = ExportReader(Path(path).name)
        for piece in part_pieces(path, part):
            for page in reader.feed(piece):
                yield page.text, page.model
        for page in reader.close():
            yield page.text, page.model


def read_text8(path: Path, sha256: str = "", most: int = 0) -> bytes:
    """A file that is such text already, packed or not. sha256: what it must be, where that is not empty; of the unpacked bytes.

    Raises InputError for another checksum, and for a character outside the alphabet, with its place.
    """
    path, pieces, length, digest = Path(path), [], 0, hashlib.sha256()
    try:
        with open_bytes(path, InputError) as stream:
            while piece := stream.read(CHUNK_BYTES):
                require_alphabet(piece, str(path), length)
                digest.update(piece)
                pieces.append(piece)
                length += len(piece)
                if length > MAX_CHARACTERS:
                    raise InputError(f"{path} has more than {MAX_CHARACTERS:,} characters. Give a part of it.")
    except UNPACKING_ERRORS as error:
        raise InputError(f"{path} cannot be read to its end ({error}). Unpack it, or bring it again.") from error
    if sha256 and digest.hexdigest() != sha256.strip().lower():
        raise InputError(
            f"{path} has the sha256 {digest.hexdigest()}, and {sha256.strip().lower()} was expected: it is another text, or not whole."
        )
    return b"".join(pieces)[: most or None]


def looks_like_dump(path: Path) -> bool:
    """Whether a file, unpacked, begins as XML does. Raises InputError where it cannot be read."""
    try:
        with open_bytes(Path(path), InputError) as stream:
            beginning = stream.read(64)
    except UNPACKING_ERRORS as error:
        raise InputError(f"{path} cannot be read ({error}). Unpack it, or bring it again.") from error
    return beginning.replace(b"\0", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n").startswith(b"<")


def check_text(path: Path) -> None:
    """Raises InputError where a file that is to be such text cannot be read, or does not begin as one."""
    with open_bytes(Path(path), InputError) as stream:
        require_alphabet(stream.read(CHUNK_BYTES), str(path))


def read_any_text(path: Path, sha256: str = "", most: int = 0) -> bytes:
    """The text of a file of the user's own: made of a dump, or as it is. Raises as `dump_text` and `read_text8` do; a dump is named
    by no checksum."""
    if not looks_like_dump(path):
        return read_text8(path, sha256, most)
    text, pages = dump_text([(path, part) for part in describe_dump(path, 1).parts], most)
    logger.info(
        "%s: %s pages, %s redirects, %s of other models", path.name, pages.taken, pages.redirects, pages.other_models
    )
    return text


def is_true_text8(text: bytes) -> bool:
    """Whether it is text8 itself, the one that others publish numbers of."""
    return len(text) == TRUE_CHARACTERS and hashlib.md5(text, usedforsecurity=False).hexdigest() == TRUE_MD5


def split_bounds(length: int) -> dict[str, tuple[int, int]]:
    """(first, end) of each split by place: nine tenths, then a twentieth and a twentieth; of 100 million: 90, 5 and 5.

    Raises InputError where a split would have fewer than two characters, of which nothing can be predicted.
    """
    part = length // 20
    if part < 2:
        raise InputError(
            f"The text has {length} characters; a twentieth of it, for the test, is too short. Give a longer one."
        )
    ends = (length - 2 * part, length - part, length)
    return dict(zip(SPLITS, zip((0, *ends[:-1]), ends, strict=True), strict=True))
