"""Folders below which the files must lie that somebody names on the Dagster page: whoever types there need not be who owns the machine's files."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

from clip_pipeline.errors import SettingsError

PARTS = re.compile(r"[/\\{},]|::")
"""Between parts of a path, of the choices in its braces, and of several patterns."""


def check_below(text: str, roots: Collection[Path] | None, what: str) -> None:
    """Raises SettingsError where a path, links followed, lies below none of the folders; nothing else is looked at, not even whether
    something is there.

    text: the path, a pattern of tars, or a model with a file of weights (ViT-B-32/FILE, local-dir:FOLDER). roots: resolved folders; None for every path. what: it names, for the sentence.
    """
    if roots is None:
        return
    try:
        text = text.removeprefix("local-dir:")
        paths = [Path(one).expanduser().resolve() for one in (*text.split("::"), *_file_of_architecture(text))]
    except (OSError, RuntimeError, ValueError):  # a home that is nobody's, links in a circle, a zero byte
        raise SettingsError(f"{what} is no path that can be followed: {text[:200]!r}.") from None
    if ".." not in PARTS.split(text) and all(any(path.is_relative_to(root) for root in roots) for path in paths):
        return
    raise SettingsError(
        f"{what} is {text[:200]}, which lies outside of the folders that the page may read: {', '.join(map(str, roots))}. Put it there, start "
        "the page with --root and its folder, or name it at a terminal or in the profile."
    )


def _file_of_architecture(text: str) -> list[str]:
    """What ARCHITECTURE/FILE reads where the file is not simply below the working folder: an absolute path, a home, a link."""
    file = text.partition("/")[2]
    if not file or text.startswith("/"):
        return []
    path = Path(file).expanduser()
    return [file] if path.is_absolute() or path.resolve() != path.absolute() else []
