"""Captions of a text file, one a line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from clip_pipeline.errors import CaptionsError
from clip_pipeline.sources.tables.text_files import text_lines


def caption_lines(path: Path) -> Iterator[str]:
    """The lines that hold something, in UTF-8 or UTF-16, packed or not, without a byte order mark.

    Raises CaptionsError, at the first line, for a file that is missing, no text, or empty.
    """
    if not path.is_file():
        found = f"{path} is a folder" if path.exists() else f"The caption file {path} does not exist"
        raise CaptionsError(f"{found}. Expected a text file, one caption a line.")
    found_one = False
    for line in text_lines(path, CaptionsError):
        if line.strip():
            found_one = True
            yield line.rstrip("\r\n")
    if not found_one:
        raise CaptionsError(f"The caption file {path} is empty. Expected one caption a line.")
