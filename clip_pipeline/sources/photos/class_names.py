"""Files that name classes: classnames.txt in the order of the labels, and the lists and tables that people lay beside folders
which are called by numbers or WordNet ids."""

from __future__ import annotations

import csv
import io
import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from clip_pipeline.errors import PhotosError
from clip_pipeline.machine.bounded import read_json
from clip_pipeline.sources.photos.names import is_photo_name
from clip_pipeline.sources.tables.text_files import lines_of, read_text

logger = logging.getLogger(__name__)

NAMES_FILE = "classnames.txt"
ENDINGS = (".txt", ".json", ".csv", ".tsv")
TELLING = re.compile(
    r"class|names?\b|_name|label|synset|words|categor|mapping|cat_to|index|signs?|meta|species|breed", re.IGNORECASE
)
"""In the name of a file that may name classes."""

MAX_BYTES = 8_000_000
"""words.txt of WordNet has 2.6 MB."""

WORDNET_ID = re.compile(r"n\d{8}")
KEY = re.compile(r"n\d{8}|\d+")
KEYED_LINE = re.compile(r"(?P<key>n\d{8}|\d+)\s*[\s,:;|]\s*(?P<name>.*\S)\s*")


def label_of(tar: Path, key: str, text: str) -> int | None:
    """The label in a sample's KEY.cls, None for an empty one. Raises PhotosError for what is no number."""
    if not text.strip():
        return None
    try:
        return int(text)
    except ValueError:
        raise PhotosError(
            f"{tar}: {key}.cls holds no number, the number of a class was expected. Make the tar again."
        ) from None


def read_class_names(path: Path, labels: Sequence[int]) -> list[str] | None:
    """Names from classnames.txt in a folder, or beside or above a file; None where there is none.

    Raises PhotosError where a label has no name, and for an empty line between others, as it would shift the labels.
    """
    file = find_names_file(path)
    if file is None:
        return None
    names = _listed(file)
    if min(labels) < 0 or max(labels) >= len(names):
        raise PhotosError(
            f"{file} has {len(names)} names and the labels run from {min(labels)} to {max(labels)}. A label is the "
            "place of its name in that file, from 0."
        )
    return names


def find_names_file(path: Path) -> Path | None:
    """classnames.txt in a folder, or beside or above a file."""
    places = [path] if path.is_dir() else [path.parent, path.parent.parent]
    return next((place / NAMES_FILE for place in places if (place / NAMES_FILE).is_file()), None)


def names_by_files(places: Iterable[Path], keys: Sequence[str]) -> tuple[list[str], Path] | None:
    """A name for each class that goes by a key (a folder's name, a label), from a file in one of the folders; None where none is
    meant for them.

    classnames.txt is always meant; of keys that are numbers or WordNet ids also any list or table that has a name for each of them.
    Raises PhotosError where classnames.txt does not fit.
    """
    for place in places:
        if (place / NAMES_FILE).is_file():
            return _fitted(place / NAMES_FILE, keys), place / NAMES_FILE
    if not all(KEY.fullmatch(key) for key in keys):
        return None
    for place in places:
        for file in sorted(place.iterdir()) if place.is_dir() else ():
            if _may_name_classes(file) and (names := _names_for(file, keys)):
                logger.warning('%s names the %d classes: "%s" is "%s"', file, len(keys), keys[0], names[0])
                return names, file
    return None


def _may_name_classes(file: Path) -> bool:
    return (
        file.suffix.lower() in ENDINGS
        and TELLING.search(file.name) is not None
        and file.is_file()
        and file.stat().st_size <= MAX_BYTES
    )


def _listed(file: Path) -> list[str]:
    """One name a line, without empty lines at the end."""
    names = [line.strip() for line in lines_of(read_text(file, PhotosError))]
    while names and not names[-1]:
        names.pop()
    if "" in names:
        raise PhotosError(
            f"{file}: line {names.index('') + 1} is empty, and a label is the number of its line, from 0. Write the name there, "
            "or take the line out."
        )
    return names


def _fitted(file: Path, keys: Sequence[str]) -> list[str]:
    """Names of classnames.txt for the keys: by numbers, by the same words, or one after the other as the folders are sorted."""
    names = _listed(file)
    if all(KEYED_LINE.fullmatch(name) for name in names) and (found := _by_key(_keyed(names), keys)):
        return found
    if found := _by_number(names, keys):
        return found
    by_letters = {_letters(name): name for name in names}
    if all(_letters(key) in by_letters for key in keys):
        return [by_letters[_letters(key)] for key in keys]
    if len(names) != len(keys):
        raise PhotosError(
            f"{file} has {len(names)} names, and there are {len(keys)} classes ({', '.join(keys[:5])}"
            f"{', ...' if len(keys) > 5 else ''}), which are called otherwise. Write a name a line in the order of the folders, or "
            "take the file away."
        )
    logger.warning(
        '%s names the classes in the order of their folders: "%s" is "%s", "%s" is "%s"',
        *(file, keys[0], names[0], keys[-1], names[-1]),
    )
    return names


def _names_for(file: Path, keys: Sequence[str]) -> list[str] | None:
    """A name for each key; None for a file that does not name all of them."""
    try:
        content = _content(file)
    except (PhotosError, csv.Error):
        return None
    if isinstance(content, dict):
        return _by_key(content, keys)
    return _by_number(content, keys) if len(content) == len(keys) else None


def _content(file: Path) -> dict[str, str] | list[str]:
    """Names by key, or names in order."""
    if file.suffix.lower() == ".json":
        value = read_json(file, PhotosError, MAX_BYTES)
        return (
            _of_object(value)
            if isinstance(value, dict)
            else [one for one in value if isinstance(one, str)]
            if isinstance(value, list)
            else []
        )
    text = read_text(file, PhotosError)
    if file.suffix.lower() in (".csv", ".tsv"):
        mark = "\t" if file.suffix.lower() == ".tsv" else ","
        rows = [row for row in csv.reader(io.StringIO(text), delimiter=mark) if len(row) > 1]
        return {row[0].strip(): row[1].strip() for row in rows if KEY.fullmatch(row[0].strip())}
    lines = [line.strip() for line in lines_of(text) if line.strip()]
    if any(is_photo_name(line.split()[0]) for line in lines[:20]):  # a list of photos
        return []
    return _keyed(lines) if lines and all(map(KEYED_LINE.fullmatch, lines)) else lines


def _keyed(lines: Iterable[str]) -> dict[str, str]:
    found = (KEYED_LINE.fullmatch(line) for line in lines)
    return {one["key"]: one["name"] for one in found if one}


def _of_object(value: Mapping[str, Any]) -> dict[str, str]:
    """{key: name}, {number: [WordNet id, name]} or {name: number} as names by key."""
    found: dict[str, str] = {}
    for key, name in value.items():
        if isinstance(name, list) and len(name) == 2 and all(isinstance(one, str) for one in name):
            found |= {key: name[1], name[0]: name[1]}
        elif isinstance(name, str):
            found[key] = name
        elif isinstance(name, int) and not KEY.fullmatch(key):
            found[str(name)] = key
    return found


def _by_key(names: Mapping[str, str], keys: Sequence[str]) -> list[str] | None:
    plain = {_plain_key(key): name for key, name in names.items()}
    found = [plain.get(_plain_key(key), "") for key in keys]
    if not all(found) or all(KEY.fullmatch(name) for name in found):
        return None
    # WordNet lists synonyms: tench, Tinca tinca
    return [
        name.split(",")[0].strip() if WORDNET_ID.fullmatch(key) else name for key, name in zip(keys, found, strict=True)
    ]


def _plain_key(key: str) -> str:
    return str(int(key)) if key.isdecimal() and key.isascii() else key


def _by_number(names: Sequence[str], keys: Sequence[str]) -> list[str] | None:
    """Names by their place: from 0, or from 1 where there are as many names as the highest number and no 0."""
    if not names or not all(key.isdecimal() and key.isascii() for key in keys):
        return None
    numbers = [int(key) for key in keys]
    if max(numbers) < len(names):
        return [names[number] for number in numbers]
    if max(numbers) == len(names) and min(numbers) >= 1:
        return [names[number - 1] for number in numbers]
    return None


def _letters(text: str) -> str:
    return "".join(letter for letter in text.lower() if letter.isalnum())
