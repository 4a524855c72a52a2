"""JSON read piece by piece: the objects of a long list one after the other, without the whole file in memory."""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Iterator
from typing import Any, NoReturn, TextIO

from clip_pipeline.sources.tables.columns import distinct_members, may_repeat

CHUNK_CHARS = 1 << 20
SPACE = " \t\n\r"
SPACES = re.compile(f"[{SPACE}]*")
NUMBER_ENDS = frozenset(SPACE + ",]}")
MAX_CHARS = 1 << 24
"""Largest single value, in characters; a longer one is no row of anything. Decoded it can take thirty times as much memory."""

OBJECTS_CHARS = 1 << 16
"""Of objects that are decoded at once."""

MAX_PARTING = 200


class JsonStream:
    """The value that a text holds, read in the order in which it is written.

    At any time the stream stands before a value. `kind` says which, and exactly one of `value` (decodes it whole), `items`
    (of a list: gives element after element) and `members` (of an object: gives name after name, and stands before the
    value of each) goes past it; what `members` stood before and nobody read is skipped. Raises ValueError for what is no
    JSON. Memory is that of one element or of 64 KiB of them, or of one value that `value` decodes.

    max_chars: of a single value.
    """

    def __init__(self, text: TextIO, max_chars: int = MAX_CHARS):
        self._text, self._max_chars = text, max_chars
        self._buffer, self._place, self._before, self._ended = "", 0, 0, False
        self._decode = json.JSONDecoder().raw_decode
        self._decode_repeated = json.JSONDecoder(object_pairs_hook=distinct_members).raw_decode

    @property
    def place(self) -> int:
        """Characters that the stream has gone past."""
        return self._before + self._place

    @property
    def kind(self) -> str:
        """The first character of the next value: `[`, `{`, `"`, a digit, ...; "" at the end of the text."""
        while True:
            self._place = SPACES.match(self._buffer, self._place).end()  # type: ignore[union-attr]
            if self._place < len(self._buffer):
                return self._buffer[self._place]
            if not self._fill():
                return ""

    def value(self) -> Any:
        """The next value, decoded."""
        if not self.kind:
            self._fail("it ends where a value was expected")
        while True:
            try:
                value, end = self._decode(self._buffer, self._place)
            except json.JSONDecodeError as problem:
                if not self._fill():
                    self._fail(problem.msg)
                continue
            except RecursionError:
                self._fail("it is nested too deeply")
            # a number at the end of what has been read may go on: 12 of 1234, and 1 of 1e+16
            whole = value.__class__ not in (int, float) or self._buffer[end : end + 1] in NUMBER_ENDS
            if whole or not self._fill():
                if may_repeat(value, self._buffer.count('":', self._place, end)):
                    value, _ = self._decode_repeated(self._buffer, self._place)
                self._place = end
                return value

    def items(self) -> Iterator[Any]:
        """The elements of the list that the stream stands before."""
        self._expect("[")
        if self.kind == "]":
            self._expect("]")
            return
        many = True
        while True:
            value = self.value()
            end = self._before + self._place
            yield value
            if self._end_or_comma("]"):
                return
            if many and isinstance(value, dict) and self.kind == "{":
                many = yield from self._objects(end - 1 - self._before)

    def _objects(self, before: int) -> Generator[Any, None, bool]:
        """The next objects of a list as long as they are whole in the buffer, many decoded at once: 2.4 times as fast as one by
        one where they are small (docs/log.md). Returns whether to go on so after the next one.

        before: where the last object ends. From its last brace to the first colon of the next one is how objects of this list
        are parted; a piece that ends before such a place, and is a list by itself, is the next elements and nothing else.
        """
        colon = self._buffer.find(":", self._place, self._place + MAX_PARTING)
        if before < 0 or colon < 0:
            return True
        parting = self._buffer[before : colon + 1]
        while (cut := self._buffer.rfind(parting, self._place, self._place + OBJECTS_CHARS)) >= 0:
            try:
                piece = f"[{self._buffer[self._place : cut + 1]}]"
                objects = json.loads(piece)
                if piece.count('":') > sum(len(one) for one in objects if isinstance(one, dict)):
                    objects = json.loads(piece, object_pairs_hook=distinct_members)
            except (ValueError, RecursionError):
                return False  # parted so within an object too, or no JSON: one by one from here on
            self._place = cut + 1
            yield from objects
            self._end_or_comma("]")
            if self.kind != "{":
                break
        return True

    def members(self) -> Iterator[str]:
        """The names in the object that the stream stands before; at each, the stream stands before its value."""
        self._expect("{")
        if self.kind == "}":
            self._expect("}")
            return
        while True:
            name = self.value() if self.kind == '"' else self._fail("a name in quotes was expected")
            self._expect(":")
            if not self.kind:
                self._fail("it ends where a value was expected")
            place = self._before + self._place
            yield name
            if self._before + self._place == place:  # nobody has read the value
                self.skip()
            if self._end_or_comma("}"):
                return

    def skip(self) -> None:
        """Goes past the next value; a list is read element by element."""
        if self.kind == "[":
            for _ in self.items():
                pass
        else:
            self.value()

    def end(self) -> None:
        """Raises ValueError where something follows."""
        if self.kind:
            self._fail("something follows its end")

    def _end_or_comma(self, closing: str) -> bool:
        mark = self.kind
        if mark not in (closing, ","):
            self._fail(f", was expected, or {closing}" if mark else f"it ends before {closing}")
        self._place += 1
        return mark == closing

    def _expect(self, mark: str) -> None:
        if self.kind != mark:
            self._fail(f"{mark} was expected" if self.kind else f"it ends before {mark}")
        self._place += 1

    def _fill(self) -> bool:
        """Reads more: as much again as there is, so that a long value is not decoded too often. False at the end."""
        if self._ended:
            return False
        rest = self._buffer[self._place :]
        if len(rest) > self._max_chars:
            self._fail(f"a single value has more than {self._max_chars:,} characters")
        more = self._text.read(max(CHUNK_CHARS, min(len(rest), self._max_chars - len(rest))))
        self._before += self._place
        self._buffer, self._place, self._ended = rest + more, 0, not more
        return bool(more)

    def _fail(self, problem: str) -> NoReturn:
        raise ValueError(f"{problem}, at character {self._before + self._place:,}")
