"""Small TOML files below the data folder that say what a partition's key means, one a key: DATA/variants/NAME.toml."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection
from pathlib import Path
from typing import Any

from clip_pipeline.errors import SettingsError, nearest_name

MAX_FILE_BYTES = 64 * 1024
MAX_NAME_LETTERS = 120
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]*")
"""Safe as a folder, as a file and as a key of Dagster's partitions."""

SETTINGS_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+=,-]*")
"""Such a name that may be settings, as in epochs=20+seed=1."""


def checked_name(name: str, what: str, safe: re.Pattern[str] = NAME) -> str:
    """The name as it is. Raises SettingsError for one that is not safe as a folder and as a partition. what: it names, in a word."""
    if not safe.fullmatch(name) or ".." in name or len(name) > MAX_NAME_LETTERS:
        signs = "_ . + -" + (" = ," if safe is SETTINGS_NAME else "")
        raise SettingsError(
            f'"{name[:MAX_NAME_LETTERS]}" cannot be the name of a {what}, for it is a folder and a partition too. Use up to '
            f"{MAX_NAME_LETTERS} letters a-z, digits and the signs {signs}, and begin with a letter or digit."
        )
    return name


def defined_names(folder: Path, what: str, safe: re.Pattern[str] = NAME) -> list[str]:
    """The names of the TOML files in a folder, sorted. Raises SettingsError for one that cannot be a partition."""
    names = sorted(path.stem for path in folder.glob("*.toml") if not path.name.startswith("."))
    for name in names:
        try:
            checked_name(name, what, safe)
        except SettingsError as error:
            raise SettingsError(f"{folder / name}.toml: {error}") from None
    return names


def read_definition(file: Path, keys: Collection[str]) -> dict[str, Any]:
    """The content of a TOML file. keys: those it may have. Raises SettingsError, naming the file, for anything else."""
    try:
        with file.open("rb") as stream:
            raw = stream.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise SettingsError(
            f"{file} cannot be read: {error.strerror}. Check the path and your right to read it."
        ) from error
    if len(raw) > MAX_FILE_BYTES:
        raise SettingsError(f"{file} is larger than {MAX_FILE_BYTES // 1024} kB, expected a few lines.")
    try:
        content = tomllib.loads(raw.decode())
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"{file} is no TOML: {error}.") from None
    for key in content:
        if key not in keys:
            raise SettingsError(f'{file} has the unknown key "{key}". {nearest_name(key, keys)}')
    return content
