"""Answers of the Unsplash API: made by hand, and the recorded ones."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest


def photo(number: int, **changes) -> dict:
    """A search result with what matters of the real ones of 2023."""
    base = f"https://images.unsplash.com/photo-{number}"
    return {
        "id": f"id{number}",
        "width": 5472,
        "height": 3648,
        "description": None,
        "alt_description": "a man holding a small dog",
        "urls": {"raw": f"{base}?ixid=M3wyODMzM3w&ixlib=rb-4.0.3", "full": f"{base}?q=85"},
        "links": {
            "html": f"https://unsplash.com/photos/id{number}",
            "download_location": f"https://api.unsplash.com/photos/id{number}/download?ixid=M3w",
        },
        "sponsorship": None,
        "user": {"username": "ann", "name": "Ann Lee", "links": {"html": "https://unsplash.com/@ann"}},
        **changes,
    }


def page(photos: list[dict], total_pages: int) -> bytes:
    """One page of a search as the API sends it."""
    return json.dumps({"total": 30 * total_pages, "total_pages": total_pages, "results": photos}).encode()


def recorded_answers(folder: Path) -> Iterator[tuple[str, int, dict[str, str], bytes]]:
    """(uri, status, headers, body) of every recorded request."""
    yaml = pytest.importorskip("yaml")
    for path in sorted(folder.glob("*.yml")):
        for one in yaml.load(path.read_text(), getattr(yaml, "CSafeLoader", yaml.SafeLoader))["http_interactions"]:
            response = one["response"]
            headers = {name: values[0] for name, values in response["headers"].items()}
            body = (response["body"]["string"] or "").encode()
            yield one["request"]["uri"], response["status"]["code"], headers, body
