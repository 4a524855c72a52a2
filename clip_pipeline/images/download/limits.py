"""What today's limits say of a photo that was attempted under others, by what is known of it: nothing is asked for."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from clip_pipeline.settings import DownloadSettings

SIZE = re.compile(r"(\d+) x (\d+) pixels")
ANNOUNCED = re.compile(r"([\d,]+) bytes, the most taken is [\d,]+")
UNANNOUNCED = re.compile(r"more than ([\d,]+) bytes")
LYING = ("5", "6", "7", "8")
"""EXIF orientations that swap width and height, as text."""


def judged(attempt: dict[str, Any], photo_bytes: int, settings: DownloadSettings) -> dict[str, Any] | None:
    """The attempt, its rejection where a limit forbids it now, or None where one no longer does, so that it must be asked for.

    attempt: as the journal has it. photo_bytes: of what is stored. Limits that only fetching meets (robots_txt, robots_header, and
    max_bytes unless the bytes are stored as they came) leave a stored photo alone.
    """
    status, message = attempt["status"], attempt.get("error_message") or ""
    if status == "success":
        rejection = _rejected(*_size_in_file(attempt), settings)
        if rejection is None and settings.resize == "original" and photo_bytes > settings.max_bytes:
            rejection = "too_many_bytes", _announced(photo_bytes, settings)
        return attempt if rejection is None else _rejection(attempt, *rejection)
    if status in ("too_small", "too_many_pixels") and (size := SIZE.fullmatch(message)):
        rejection = _rejected(int(size[1]), int(size[2]), settings)
        return None if rejection is None else _rejection(attempt, *rejection)
    if status == "too_many_bytes":
        return _judged_bytes(attempt, message, settings)
    if status == "too_costly":  # what it would cost is not known in figures
        return None
    allowed = (status == "robots_txt" and not settings.robots_txt) or (
        status == "robots_header" and not settings.robots_header
    )
    return None if allowed else attempt


def _judged_bytes(attempt: dict[str, Any], message: str, settings: DownloadSettings) -> dict[str, Any] | None:
    if announced := ANNOUNCED.fullmatch(message):
        size = _number(announced[1])
        return _rejection(attempt, "too_many_bytes", _announced(size, settings)) if size > settings.max_bytes else None
    if (more := UNANNOUNCED.fullmatch(message)) and settings.max_bytes <= _number(more[1]):
        return _rejection(attempt, "too_many_bytes", f"more than {settings.max_bytes:,} bytes")
    return None


def _rejected(width: int, height: int, settings: DownloadSettings) -> tuple[str, str] | None:
    """(status, message) as `check_photo` gives them."""
    if width * height > settings.max_pixels:
        return "too_many_pixels", f"{width} x {height} pixels"
    if min(width, height) < settings.min_side:
        return "too_small", f"{width} x {height} pixels"
    return None


def _rejection(attempt: Mapping[str, Any], status: str, message: str) -> dict[str, Any]:
    return {"id": attempt["id"], "url": attempt["url"], "status": status, "error_message": message}


def _size_in_file(attempt: Mapping[str, Any]) -> tuple[int, int]:
    """Width and height as they lie in the file, which rejections name; the columns have those of the upright photo."""
    size = attempt["original_width"], attempt["original_height"]
    lying = json.loads(attempt["exif"] or "{}").get("Orientation") in LYING
    return size[::-1] if lying else size


def _announced(size: int, settings: DownloadSettings) -> str:
    return f"{size:,} bytes, the most taken is {settings.max_bytes:,}"


def _number(text: str) -> int:
    return int(text.replace(",", ""))
