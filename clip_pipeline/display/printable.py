"""Texts of others as they may be shown: what a terminal obeys, and what turns the order of letters round, is written out.

An id, a caption or a file name may hold `ESC ] 0 ;` (which renames the window), `ESC [ 2 J` (which clears it) or U+202E (after
which `gpj.exe` reads as `exe.jpg`). Data are kept exact; only what is shown goes through here.
"""

from __future__ import annotations

import re
from typing import Any

ORDERS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # controls of a terminal, all but tab and line feed
    "\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069"  # direction of letters, ends of lines
    "\ud800-\udfff\ufff9-\ufffb\U000e0000-\U000e007f]"  # halves of pairs, notes, tags
)


def printable(text: str) -> str:
    """The text with those letters as `\\x1b`, `\\u202e`; line feeds and tabs stay."""
    return ORDERS.sub(_written_out, text) if not text.isascii() or ORDERS.search(text) else text


def printable_line(text: str) -> str:
    """The same in one line, for a cell of a table."""
    return printable(text).replace("\n", "\\n").replace("\t", "\\t")


def _written_out(found: re.Match[str]) -> str:
    number = ord(found[0])
    return f"\\x{number:02x}" if number < 256 else f"\\u{number:04x}" if number < 65536 else f"\\U{number:08x}"


class PrintableStream:
    """Standard output or error of a program: all that is written to it is `printable`. terminal: the stream below, for the one
    who moves its cursor on purpose."""

    def __init__(self, terminal: Any):
        self.terminal = terminal

    def write(self, text: str) -> int:
        """As that of a text stream."""
        self.terminal.write(printable(text))
        return len(text)

    def writelines(self, lines: Any) -> None:
        """As that of a text stream."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.terminal, name)


def terminal_of(stream: Any) -> Any:
    """The stream that obeys."""
    return getattr(stream, "terminal", stream)
