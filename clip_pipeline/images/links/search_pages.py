"""The pages of one word on disk while its bucket is being searched."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path


class WordPages:
    """JSON lines in a file below `folder`, named by the word's hash; a last line that was cut by a crash is dropped.

    bodies: the JSON texts of pages 1, 2, ... lines: the lines they are stored in, as bytes.
    """

    def __init__(self, folder: Path, word: str):
        self.word = word
        self.path = self.path_of(folder, word)
        self.lines: list[bytes] = []
        self.bodies: list[str] = []
        self._read()

    @staticmethod
    def path_of(folder: Path, word: str) -> Path:
        """The file of a word."""
        return folder / f"{hashlib.sha256(word.encode()).hexdigest()[:24]}.jsonl"

    def append(self, body: str) -> None:
        """Stores the next page; when this returns, a killed process does not lose it."""
        line = _line(self.word, len(self.bodies) + 1, body)
        with self.path.open("ab", buffering=0) as stream:
            stream.write(line)
        self.lines.append(line)
        self.bodies.append(body)

    def replace_if_longer(self, bodies: Sequence[str]) -> int:
        """Stores these pages in one step when they are more than there are; returns how many were stored."""
        if len(bodies) <= len(self.bodies):
            return 0
        self.bodies = list(bodies)
        self.lines = [_line(self.word, number, body) for number, body in enumerate(bodies, start=1)]
        temporary = self.path.with_suffix(f".{os.getpid()}")
        temporary.write_bytes(b"".join(self.lines))
        temporary.replace(self.path)
        return len(bodies)

    def _read(self) -> None:
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return
        whole = 0
        # Not splitlines: captions may hold U+2028 and its like, which JSON leaves as they are.
        for line in content.split(b"\n")[:-1]:
            body = self._body(line, len(self.bodies) + 1)
            if body is None:
                break
            self.bodies.append(body)
            self.lines.append(line + b"\n")
            whole += len(line) + 1
        if whole < len(content):
            os.truncate(self.path, whole)

    def _body(self, line: bytes, number: int) -> str | None:
        try:
            page = json.loads(line)
            same = page["word"] == self.word and page["number"] == number
        except (ValueError, KeyError, TypeError):
            return None
        return page["body"] if same and isinstance(page["body"], str) else None


def count_pages(folder: Path, word: str) -> int:
    """How many pages of a word lie in `folder`; reads nothing but line ends."""
    try:
        return WordPages.path_of(folder, word).read_bytes().count(b"\n")
    except FileNotFoundError:
        return 0


def _line(word: str, number: int, body: str) -> bytes:
    return json.dumps({"word": word, "number": number, "body": body}, ensure_ascii=False).encode() + b"\n"
