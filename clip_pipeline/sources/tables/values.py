"""What a cell of a table or a value of JSON says: texts and keywords, without what no file of ours can hold."""

from __future__ import annotations

import re
from typing import Any

KEYWORD_ENDS = re.compile("[,;|]")
UNWRITABLE = re.compile("[\ud800-\udfff]")


def plain_text(text: str) -> str:
    """The text without what no file of ours can hold: zero bytes become spaces, halves of surrogate pairs U+FFFD."""
    if text.isascii() and "\0" not in text:
        return text
    return UNWRITABLE.sub("\ufffd", text.replace("\0", " "))


def texts_of(value: Any) -> list[str]:
    """The captions in a cell: of a string one, of a list all; stripped, without empty ones."""
    if isinstance(value, list | tuple):
        return [text for one in value for text in texts_of(one)]
    if isinstance(value, dict):  # the sentences of Karpathy's lists are objects with their text under "raw"
        return next((texts_of(value[name]) for name in ("raw", "caption", "text") if name in value), [])
    return [plain_text(value.strip())] if isinstance(value, str) and value.strip() else []


def keywords_of(value: Any) -> list[str]:
    """The keywords in a cell: of a list all, of a text those between its commas, semicolons and bars; each once."""
    parts = [part.strip() for text in texts_of(value) for part in KEYWORD_ENDS.split(text)]
    return list(dict.fromkeys(part for part in parts if part))
