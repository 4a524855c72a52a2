"""What a file looks like by its first bytes, in words: errors are read by others than who may read the file, so they quote none of it."""

from __future__ import annotations

KINDS = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"PK\x03\x04": "a ZIP archive",
    b"PAR1": "Parquet",
    b"SQLite format 3\x00": "an SQLite database",
    b"%PDF": "a PDF",
    b"\x7fELF": "a program",
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"\x93NUMPY": "an array of NumPy",
    b"<?xml": "XML",
    b"<mediawiki": "a dump of a wiki",
    b"<!doctype html": "a page of HTML",
    b"<html": "a page of HTML",
    b"<": "XML or HTML",
    b"{": "JSON",
    b"[": "JSON",
}
"""The beginning in lower case, without spaces before; the first that fits counts."""


TEXTS = ("XML", "a dump of a wiki", "a page of HTML", "XML or HTML", "JSON", "text")
NO_LETTERS = 0.02
"""Control bytes of a beginning, above which it is no text of any encoding: a text in Latin-1 has none, random bytes 10 %."""


def is_no_text(start: bytes) -> bool:
    """Whether a file cannot be a text in any encoding of one byte a letter. start: its first bytes, 64 or more where it has them."""
    kind = looks_like(start)
    if kind == "bytes of no known kind":
        return sum(byte < 32 and byte not in b"\t\n\r\f" for byte in start) > NO_LETTERS * len(start)
    return bool(start) and kind not in TEXTS


def looks_like(start: bytes) -> str:
    """`a page of HTML`, `gzip`, `text`, `bytes of no known kind`, … start: the first bytes of a file."""
    if not start:
        return "nothing: it is empty"
    bare = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    found = next((kind for magic, kind in KINDS.items() if start.startswith(magic) or bare.lower().startswith(magic.lower())), "")  # fmt: skip
    if found:
        return found
    return "bytes of no known kind" if any(byte < 32 and byte not in b"\t\n\r\f" for byte in start) else "text"
