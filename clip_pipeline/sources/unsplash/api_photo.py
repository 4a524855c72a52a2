"""What is kept of a photo as the Unsplash API describes it; nothing in such a description is taken for granted."""

from __future__ import annotations

from typing import Any, TypeGuard
from urllib.parse import parse_qsl, urlencode, urlsplit

UNSPLASH_HOST, SANDBOX_HOST = "images.unsplash.com", "images.sandbox.test"
"""Photos lie here and nowhere else: plus.unsplash.com is not free, and mistyped hosts occur in real data."""

API_HOST_OF = {UNSPLASH_HOST: "api.unsplash.com", SANDBOX_HOST: "api.sandbox.test"}
SERVICE_OF = {UNSPLASH_HOST: "Unsplash", SANDBOX_HOST: "the sandbox"}

CHANGING_PARAMETERS = ("ixid", "ixlib")
"""Parameters of a photo's url that differ by application and by day."""

LICENCES = {
    UNSPLASH_HOST: "Unsplash License (https://unsplash.com/license)",
    SANDBOX_HOST: "generated picture, no rights reserved",
}
TERMS = {
    UNSPLASH_HOST: "Unsplash API terms (https://unsplash.com/api-terms): credit the photographer; "
    "automated mining and model training need permission",
    SANDBOX_HOST: None,
}


def photo_row(photo: dict[str, Any]) -> dict[str, Any] | None:
    """The PHOTO_FIELDS, but for origin and ratings, of one search result, or None for one that is left out.

    Left out: advertisements, photos that are not free, photos on any host but Unsplash's, results without id or url.
    Everything else may be missing. The url is without the parameters that change from day to day.
    """
    if any(photo.get(name) for name in ("sponsorship", "sponsored", "premium", "plus")):
        return None
    photo_id, raw = photo.get("id"), _section(photo, "urls").get("raw")
    if not (_is_plain(photo_id) and _is_plain(raw)):
        return None
    try:
        parts = urlsplit(raw)
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or parts.netloc not in LICENCES:
        return None
    kept = [pair for pair in parse_qsl(parts.query, keep_blank_values=True) if pair[0] not in CHANGING_PARAMETERS]
    texts = (_text(photo, name) for name in ("alt_description", "description"))
    return {
        "id": photo_id,
        "url": parts._replace(query=urlencode(kept), fragment="").geturl(),
        "captions": list(dict.fromkeys(filter(None, texts))),
        "words": [],
        "width": _pixels(photo.get("width")),
        "height": _pixels(photo.get("height")),
        "licence": LICENCES[parts.netloc],
        "attribution": _attribution(photo, SERVICE_OF[parts.netloc]),
        "source": "unsplash" if parts.netloc == UNSPLASH_HOST else "sandbox",
        "terms": TERMS[parts.netloc],
        "split": None,
        "download_location": _download_location(photo, API_HOST_OF[parts.netloc]),
    }


def _attribution(photo: dict[str, Any], service: str) -> str | None:
    """`Photo by NAME (PROFILE) on Unsplash, PAGE`: what the licence and the API's guidelines ask to show."""
    user = _section(photo, "user")
    name, username = _text(user, "name"), _text(user, "username")
    if not (name or username):
        return None
    profile = _text(_section(user, "links"), "html") or (f"@{username}" if username else "")
    credit = f"Photo by {name or username}" + (f" ({profile})" if profile else "") + f" on {service}"
    page = _text(_section(photo, "links"), "html")
    return f"{credit}, {page}" if page else credit


def _download_location(photo: dict[str, Any], api_host: str) -> str | None:
    """Where the API wants to be told of a download; None for an address that is not the API's."""
    location = _section(photo, "links").get("download_location")
    if not _is_plain(location):
        return None
    return location if location.startswith((f"https://{api_host}/", f"http://{api_host}/")) else None


def _section(value: dict[str, Any], name: str) -> dict[str, Any]:
    found = value.get(name)
    return found if isinstance(found, dict) else {}


def _is_plain(value: Any) -> TypeGuard[str]:
    """Whether it is a text that is not empty and that UTF-8 can hold."""
    if not (isinstance(value, str) and value):
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _text(value: dict[str, Any], name: str) -> str:
    """A text without space around it. Halves of letters, which JSON can hold and Parquet cannot, become U+FFFD."""
    found = value.get(name)
    if not isinstance(found, str):
        return ""
    if not found.isascii():
        found = found.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return found.strip()


def _pixels(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**31 else None
