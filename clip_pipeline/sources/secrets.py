"""A key in the texts of others: a service that repeats it in an answer must not make us print or keep it."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote, quote_plus

HIDDEN = "[the key]"
MIN_LETTERS = 6
"""A shorter key would be found in any text."""


def without_secret(text: str, secret: str) -> str:
    """The text with HIDDEN in place of the secret: as it is, in a url, in JSON, in base64 and in hexadecimal, in any case."""
    if len(secret) < MIN_LETTERS:
        return text
    for form in _forms(secret):
        place = text.lower().find(form.lower())
        while place >= 0:
            text = text[:place] + HIDDEN + text[place + len(form) :]
            place = text.lower().find(form.lower(), place + len(HIDDEN))
    return text


def _forms(secret: str) -> list[str]:
    """Longest first. base64 of a text within another begins at any of three places; what does not depend on its neighbours counts."""
    content = secret.encode()
    forms = {secret, quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1], content.hex()}
    for before in range(3):
        packed = base64.b64encode(b"\0" * before + content).decode().rstrip("=")
        first = (0, 2, 3)[before]
        last = len(packed) - bool((before + len(content)) % 3)
        forms |= {packed[first:last], base64.urlsafe_b64encode(b"\0" * before + content).decode()[first:last]}
    return sorted((form for form in forms if len(form) >= MIN_LETTERS), key=len, reverse=True)
