"""How much of somebody else's file or answer is taken into memory: nothing is read, and no JSON decoded, without a limit.

Files that can be large are read in pieces (`sources/tables`, `sources/wikimedia`); what is here is for those that are small
when they are honest: a configuration, a list of names, an answer of an API.
"""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

from clip_pipeline.errors import InputError, SettingsError
from clip_pipeline.machine.file_kinds import looks_like

MAX_JSON_BYTES = 1 << 25
"""Of a JSON text that is decoded whole. The largest honest ones are tokenizers (17 MB with 250,000 tokens)."""

MAX_JSON_VALUES = 2_000_000
"""Of values in it: an empty object takes 64 bytes of memory and 3 of text, so that 32 MB could become 700."""

MAX_TEXT_BYTES, MAX_TEXT_LINES = 1 << 26, 4_000_000
"""Of a list of names that is read whole. ImageNet's 1.3 million take 50 MB; a line costs 58 bytes of memory beside its text."""

_JSON_MARKS = {bytes: (b",", b"[", b"{"), bytearray: (b",", b"[", b"{"), str: (",", "[", "{")}


def parse_json(text: str | bytes | bytearray, max_bytes: int = MAX_JSON_BYTES) -> Any:
    """The value of a JSON text. Raises ValueError, with the reason, for what is none, is nested too deeply (Python's limit, some
    1,000 levels), or has more than `max_bytes` (characters of a str) or MAX_JSON_VALUES values."""
    if len(text) > max_bytes:
        raise ValueError(f"it has {len(text):,} bytes, the most that is read is {max_bytes:,}")
    marks: Any = _JSON_MARKS[type(text)]
    if sum(text.count(mark) for mark in marks) > MAX_JSON_VALUES:
        raise ValueError(f"it holds more than {MAX_JSON_VALUES:,} values")
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def read_bytes(path: Path, error: type[InputError] | type[SettingsError], max_bytes: int = MAX_TEXT_BYTES) -> bytes:
    """The bytes of a plain file. Raises `error` for one that is larger than `max_bytes`, no plain file, or cannot be read."""
    try:
        # without waiting: the other end of a pipe may never come
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as stream:
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                raise error(f"{path} is no plain file. Give a file.")
            content = stream.read(max_bytes + 1)
    except IsADirectoryError:
        raise error(f"{path} is no plain file. Give a file.") from None
    except FileNotFoundError:
        raise error(f"There is no file {path}. Check the name, or give the full path.") from None
    except OSError as problem:
        raise error(f"{path} cannot be read ({problem.strerror or problem}). Check the rights to it.") from None
    if len(content) > max_bytes:
        raise error(
            f"{path} has more than {max_bytes:,} bytes, which is no file of its kind. Look at what it holds, or get it again."
        )
    return content


def read_json(path: Path, error: type[InputError] | type[SettingsError], max_bytes: int = MAX_JSON_BYTES) -> Any:
    """The JSON in a small file, UTF-8. Raises `error` as `read_bytes`, and with the path for what is no JSON."""
    content = read_bytes(path, error, max_bytes)
    try:
        return parse_json(content.decode("utf-8-sig"), max_bytes)
    except UnicodeDecodeError:
        raise error(f"{path} is no JSON, it looks like {looks_like(content[:64])}. Get or write it again.") from None
    except ValueError as problem:
        raise error(f"{path} is no JSON: {str(problem)[:200]}. Get or write it again.") from None
