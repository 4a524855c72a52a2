"""Which dataset is meant: a name, NAME=PATH, or a path; several with commas between."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from pathlib import Path

from clip_pipeline.errors import Command, DatasetError, SettingsError, nearest_name
from clip_pipeline.evaluation.datasets.entry import entries, find_entry
from clip_pipeline.sources.photos.formats.tar_paths import is_tar_pattern, without_tar_ending

HELD_OUT = "held_out"
"""The test split of the pairs: it exists as an artifact of the pipeline only."""

NAMED = re.compile(r"([\w-]+)=(.+)", re.DOTALL)
MEANT = 0.75
"""Likeness of two names, from 0 to 1, from which on one is taken for a slip of the other."""


@dataclass(frozen=True)
class Choice:
    """name: what scores call it. entry: its name in the registry, "" for files in no form that has a name. path: "" for none."""

    name: str
    entry: str
    path: str


def parse_choices(text: str) -> dict[str, Choice]:
    """The datasets of a setting by the names that scores call them; nothing on the disk is looked at.

    Raises SettingsError where two would have one name, DatasetError for files under a name that needs none.
    """
    found: dict[str, Choice] = {}
    for part in filter(None, (one.strip() for one in text.split(","))):
        choice = parse_choice(part)
        if choice.name in found and found[choice.name] != choice:
            raise SettingsError(
                f'Two datasets would be called "{choice.name}": {found[choice.name].path} and {choice.path}. Name one of them '
                f"otherwise, as in other={choice.path}."
            )
        found[choice.name] = choice
    return found


def parse_choice(text: str) -> Choice:
    """One dataset. A word of the registry is that dataset; NAME=PATH one of the registry, or any name for files of your own."""
    named = NAMED.fullmatch(text)
    if named is None:
        if text in entries() or text == HELD_OUT:
            return Choice(text, text, "")
        return Choice(_name_of(text), "", text)
    name, path = named[1], named[2].strip()
    if name == HELD_OUT or (name in entries() and not entries()[name].needs_files):
        raise DatasetError(f"{name} is read from no files of yours. Write {name} alone, or another name for {path}.")
    if name in entries():
        return Choice(name, name, path)
    return Choice(name, "", path)


def near_entry(name: str) -> str:
    """The name of the registry that one for files of the user's own is like, "" for none: emnist is mnist's, and no slip of it."""
    return next(iter(difflib.get_close_matches(name, entries(), n=1, cutoff=MEANT)), "")


def _name_of(path: str) -> str:
    """A folder goes by its last name. Partition keys hold none of the signs that are replaced."""
    return without_tar_ending(Path(path).absolute().name).translate(str.maketrans("|,[]", "____"))


def path_of(choice: Choice) -> Path | None:
    """Where the files are; None for a dataset that needs none. A word of the registry stands for a folder of that name, if there is one.

    Raises DatasetError for a dataset whose files are not named, and where there is nothing at the path.
    """
    if choice.entry == HELD_OUT:
        raise DatasetError(
            "held_out is the test split of the pairs and exists within the pipeline only: set evaluation.datasets=held_out, or "
            "give its folder, data/images/benchmark_dataset/held_out."
        )
    given = Path(choice.path or choice.entry).expanduser()
    if choice.entry and not choice.path:
        entry = find_entry(choice.entry)
        if not entry.needs_files:
            return None
        if not given.exists():
            expected = f"{entry.title} is read from files: write {entry.name}=PATH. Expected there: {entry.expects}."
            if entry.by_hand:
                raise DatasetError(f"{expected} {entry.by_hand}")
            raise DatasetError(
                expected, Command("Download it", f"clip-pipeline datasets download {entry.name} FOLDER.")
            )
    if not is_tar_pattern(given) and not given.exists():
        if not choice.entry and choice.path and (close := near_entry(choice.name)):
            raise DatasetError(
                f'There is no dataset "{choice.name}". Did you mean "{close}"? And there is nothing at {choice.path}.'
            )
        beside = [one.name for one in given.parent.iterdir() if one.is_dir()] if given.parent.is_dir() else []
        near = nearest_name(given.name, [HELD_OUT, *entries(), *(name for name in beside if not name.startswith("."))])
        raise DatasetError(
            f'There is no dataset "{choice.path}": no folder of that name, and no dataset of the registry. {near} Give a folder '
            "of class folders, or of photos with captions; see clip-pipeline datasets."
        )
    return given
