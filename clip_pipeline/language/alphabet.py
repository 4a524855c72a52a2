"""The 27 characters of text8 as ids, and where a text holds another one."""

from __future__ import annotations

import numpy as np

from clip_pipeline.errors import InputError

ALPHABET = " abcdefghijklmnopqrstuvwxyz"
VOCABULARY, SPACE = len(ALPHABET), 0
_TO_IDS = np.full(256, 255, np.uint8)
_TO_IDS[np.frombuffer(ALPHABET.encode(), np.uint8)] = np.arange(VOCABULARY, dtype=np.uint8)


def require_alphabet(text: bytes, name: str, offset: int = 0) -> None:
    """Raises InputError, with the place, where the text holds anything but a to z and spaces. offset: characters before it."""
    wrong = np.flatnonzero(_TO_IDS[np.frombuffer(text, np.uint8)] == 255)
    if not len(wrong):
        return
    place = int(wrong[0])
    around = text[max(0, place - 20) : place + 20].decode("utf-8", "replace")
    if text[place : place + 1] == b"\n" and place == len(text) - 1:
        raise InputError(
            f"{name} ends with a line end, at character {offset + place + 1:,}; expected a to z and spaces only. Take it off."
        )
    shown = text[place : place + 4].decode("utf-8", "replace")[:1]
    raise InputError(
        f"{name} holds {shown!r} at character {offset + place + 1:,}, in {around!r}; expected a to z and spaces only. Give a Wikipedia dump, "
        "from which such text is made, or a file of the form of text8."
    )


def ids_of(text: bytes, name: str = "The text") -> np.ndarray:
    """(n,) uint8: 0 for a space, 1 to 26 for a to z. Raises InputError for anything else, with its place."""
    require_alphabet(text, name)
    return _TO_IDS[np.frombuffer(text, np.uint8)]


def text_of(ids: np.ndarray) -> str:
    """The text of ids."""
    return "".join(ALPHABET[number] for number in np.asarray(ids).tolist())
