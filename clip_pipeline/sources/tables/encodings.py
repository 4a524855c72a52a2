"""In which encoding a text is: UTF-8 or UTF-16, which can be told, or another, which is refused with the place of the first wrong byte."""

from __future__ import annotations

import codecs
from collections.abc import Iterable

BYTES_LOOKED_AT = 1000
"""Of a text, for the zeros that UTF-16 without a mark has beside each Latin letter."""


def encoding_of(beginning: bytes) -> str:
    """The encoding that the first bytes of a text speak for: utf-16 (by its mark), utf-16-le, utf-16-be (by zeros in every other
    byte), else utf-8-sig."""
    if beginning[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    looked_at = beginning[: BYTES_LOOKED_AT // 2 * 2]
    zeros = {place % 2 for place, byte in enumerate(looked_at) if byte == 0}
    if len(zeros) != 1 or looked_at.count(0) <= len(looked_at) / 4:
        return "utf-8-sig"
    return "utf-16-le" if zeros == {1} else "utf-16-be"


def decoded_text(content: bytes) -> str | None:
    """The text that bytes are in UTF-8 or UTF-16; None for any other encoding: which of the many it is nobody can know."""
    try:
        return content.decode(encoding_of(content))
    except UnicodeDecodeError:
        return None


def wrong_byte(pieces: Iterable[bytes], encoding: str) -> str:
    """Where a text stops being one, such as: byte 0xe9 at place 12 of line 4 (byte 87 of the file). Counts from 1.

    pieces: the bytes of the text, from its beginning.
    """
    decoder = codecs.getincrementaldecoder(encoding)()
    before, lines, line_start, waiting = 0, 1, 0, b""
    for piece in pieces:
        whole = waiting + piece
        try:
            decoder.decode(piece)
        except UnicodeDecodeError as problem:
            # the decoder counts from the bytes that it kept of the piece before
            at = before + len(whole) - len(problem.object) + problem.start
            ahead = whole[: at - before]
            lines += ahead.count(b"\n")
            line_start = before + ahead.rfind(b"\n") + 1 if b"\n" in ahead else line_start
            return _place(problem.object[problem.start], at, lines, line_start)
        kept = decoder.getstate()[0]
        done = whole[: len(whole) - len(kept)]
        lines += done.count(b"\n")
        line_start = before + done.rfind(b"\n") + 1 if b"\n" in done else line_start
        before, waiting = before + len(done), kept
    return f"it ends within a letter, after {before:,} bytes"


def _place(byte: int, at: int, line: int, line_start: int) -> str:
    return f"byte {byte:#04x} at place {at - line_start + 1:,} of line {line:,} (byte {at + 1:,} of the file)"
