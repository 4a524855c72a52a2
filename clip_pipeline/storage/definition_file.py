"""Writes the small TOML files that say what a partition's key means; `settings/definitions.py` reads them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clip_pipeline.storage.published import published_file


def write_definition(file: Path, content: Mapping[str, Any]) -> None:
    """Writes such a file, whole or not at all. content: texts, numbers and booleans, and last mappings of them, which become tables."""
    lines = []
    for name, value in content.items():
        if isinstance(value, Mapping):
            lines += ["", f"[{name}]", *(f"{key} = {_toml(inner)}" for key, inner in value.items())]
        else:
            lines.append(f"{name} = {_toml(value)}")
    with published_file(file) as path:
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _toml(value: str | bool | int | float) -> str:
    """JSON's strings are TOML's, but for the letter that deletes."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return str(value).lower()
