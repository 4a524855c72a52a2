"""What a cell of a table or a value of JSON says: texts and keywords, without what no file of ours can hold."""

from __future__ import annotations

import ast
import math
import re
from decimal import Decimal
from typing import Any

from clip_pipeline.machine.bounded import parse_json

KEYWORD_ENDS = re.compile("[,;|]")
UNWRITABLE = re.compile("[\ud800-\udfff]")

TEXT_KEYS = ("raw", "caption", "text", "captions", "texts", "sentence", "sentences", "translation", "value")
"""Where an object has its text: the sentences of Karpathy's lists under "raw", translations of Hugging Face's under "translation"."""

LANGUAGE = re.compile(
    r"(?!(?:url|src|key|id|img|alt|tag|ref)$)[a-z]{2,3}([-_][a-z0-9]{2,8})*|arabic|chinese|czech|danish|dutch|english|finnish|french|"
    r"german|greek|hebrew|hindi|hungarian|italian|japanese|korean|norwegian|persian|polish|portuguese|romanian|russian|spanish|"
    r"swedish|thai|turkish|ukrainian|vietnamese",
    re.IGNORECASE,
)
"""A key of an object that holds a text for each language: en, pt-BR, zh_Hans, English."""

QUOTED = r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\""""
WRITTEN_LIST = re.compile(rf"\[\s*(?:(?:{QUOTED})(?:\s*,\s*|\s+)?)*\]", re.DOTALL)
"""A list of texts as Python (commas) or NumPy (spaces) write it."""

EMPTY = frozenset(("nan", "NaN", "None", "NULL", "null", "N/A", "n/a", "#N/A", "<NA>", "<null>"))
"""What programs write for a cell that was empty."""

MAX_DEPTH = 20
"""Of lists and objects in each other: what lies deeper is no caption."""

MAX_WRITTEN_CHARS, MAX_WRITTEN_BRACKETS = 100_000, 1000


def plain_text(text: str) -> str:
    """The text without what no file of ours can hold: zero bytes become spaces, halves of surrogate pairs U+FFFD."""
    if text.isascii() and "\0" not in text:
        return text
    return UNWRITABLE.sub("\ufffd", text.replace("\0", " "))


def texts_of(value: Any) -> list[str]:
    """The captions in a cell; stripped, without empty ones. Of a string one, of a list all, also of one that is written as a text
    by JSON, Python or NumPy; of an object those under its TEXT_KEYS, or of all its languages; of bytes their UTF-8; of a number
    its digits. Of a yes or no, of bytes that are no text and of not a number (an empty cell to pandas), also where it is written as a text
    (EMPTY), none."""
    return _texts(value, 0)


def _texts(value: Any, depth: int) -> list[str]:
    if depth > MAX_DEPTH:
        return []
    if isinstance(value, str):
        text = value.strip()
        if text[:1] in ("[", "{") and (written := _written(text)) is not None:
            return _texts(written, depth + 1)
        return [plain_text(text)] if text and text not in EMPTY else []
    if isinstance(value, bytes | bytearray | memoryview):
        try:
            return _texts(bytes(value).decode("utf-8-sig"), depth + 1)
        except UnicodeDecodeError:  # no caption then: a photo, or a hash
            return []
    if isinstance(value, list | tuple):
        if value and all(isinstance(one, tuple) and len(one) == 2 for one in value):  # a map of Parquet
            return _texts(dict(value), depth + 1)
        return [text for one in value for text in _texts(one, depth + 1)]
    if isinstance(value, dict):
        if (key := next((key for key in TEXT_KEYS if key in value), None)) is not None:
            return _texts(value[key], depth + 1)
        by_language = all(isinstance(key, str) and LANGUAGE.fullmatch(key) for key in value)
        return [text for one in value.values() for text in _texts(one, depth + 1)] if by_language else []
    if depth:  # numbers among texts are no captions
        return []
    if isinstance(value, float | Decimal):
        return [str(int(value) if value == int(value) else value)] if math.isfinite(value) else []
    return [str(value)] if isinstance(value, int) and not isinstance(value, bool) else []


def _written(text: str) -> list | dict | None:
    """The list or object of texts that a text is in JSON, Python or NumPy; None for a text that only begins like one."""
    if (
        text[-1] not in "]}"
        or len(text) > MAX_WRITTEN_CHARS
        or text.count("[") + text.count("{") > MAX_WRITTEN_BRACKETS
    ):
        return None
    try:
        found = parse_json(text)
    except ValueError:
        if WRITTEN_LIST.fullmatch(text):
            text = ",".join(one[0] for one in re.finditer(QUOTED, text, re.DOTALL)).join("[]")
        try:
            found = ast.literal_eval(text.replace("\r", " ").replace("\n", " "))
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return None
    if isinstance(found, list) and all(isinstance(one, str | dict) for one in found):
        return found
    return found if isinstance(found, dict) and texts_of(found) else None


def keywords_of(value: Any) -> list[str]:
    """The keywords in a cell: of a list all, of a text those between its commas, semicolons and bars; each once. Numbers are
    classes, and no words."""
    if isinstance(value, list | tuple):
        value = [one for one in value if not isinstance(one, int | float | Decimal)]
    elif isinstance(value, int | float | Decimal):
        return []
    parts = [part.strip() for text in texts_of(value) for part in KEYWORD_ENDS.split(text)]
    return list(dict.fromkeys(part for part in parts if part))
