"""Names of classes that a caption could hold, from the names of their folders."""

from __future__ import annotations

import functools
import logging
import re
from collections import Counter
from collections.abc import Sequence

from clip_pipeline.evaluation.datasets.names import imagenet_names
from clip_pipeline.evaluation.open_clip_prompts import package_file

logger = logging.getLogger(__name__)

WORDNET_ID = re.compile(r"n\d{8}")
WORDNET_BEFORE = re.compile(r"n\d{8}[-_ .]+(?=\D)")
"""n02085620-Chihuahua: Stanford's dogs."""

NUMBER_BEFORE = re.compile(r"(?P<number>\d+)(?P<mark>[._\- ]+)(?=\D)")
NUMBERED = 5
"""Folders called by numbers that a warning names."""


def readable_class_names(folders: Sequence[str], place: str) -> list[str]:
    """A name for each class folder, `readable_class_name` or what WordNet calls its id; as many names as there are folders.

    Numbers before the names stay where they say more than an order: 10_euro, 20_euro. place: the dataset, for the warnings that say
    what no caption could hold, and which classes have one name.
    """
    ordinal = _numbers_are_an_order(folders)
    names = [_name(folder, ordinal) for folder in folders]
    for again in (lambda folder: _name(folder, False), _first_lemma):
        twice = {name for name, count in Counter(names).items() if count > 1}
        names = [again(folder) if name in twice else name for name, folder in zip(names, folders, strict=True)]
    _warn(folders, names, place)
    return names


def readable_class_name(folder_name: str) -> str:
    """`001.Black_footed_Albatross` → `Black footed Albatross`: a folder's name as words that a caption could hold."""
    name = NUMBER_BEFORE.sub("", WORDNET_BEFORE.sub("", folder_name, count=1), count=1)
    return _words(name) or folder_name


@functools.cache
def wordnet_names() -> dict[str, str]:
    """{WordNet id: name} of the 21,844 nouns of ImageNet: open_clip's names of the 1,000, the first of timm's lemmas for the others."""
    return _lemmas() | imagenet_names()


@functools.cache
def _lemmas() -> dict[str, str]:
    lines = package_file("timm", "data/_info/imagenet_synset_to_lemma.txt").read_text("utf-8").splitlines()
    parted = (line.partition("\t") for line in lines)
    return {wnid: names.split(",")[0].strip() for wnid, _, names in parted if names.strip()}


def _first_lemma(folder: str) -> str:
    """What tells apart the two missiles of open_clip's names (projectile, missile), and the folder itself where it is no id."""
    return _lemmas().get(folder, folder)


def warn_of_one_name(names: Sequence[str], place: str) -> None:
    """A warning for classes that have the same name: the model cannot tell them apart, and the first of them always wins."""
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        logger.warning(
            '%s: %d names are those of several classes, such as "%s": photos of the later ones are never right. Name them apart',
            *(place, len(twice), twice[0]),
        )


def _name(folder: str, ordinal: bool) -> str:
    if WORDNET_ID.fullmatch(folder):
        return wordnet_names().get(folder, folder)
    if ordinal or _is_ordinal(folder):
        return readable_class_name(folder)
    return _words(WORDNET_BEFORE.sub("", folder, count=1)) or folder


def _words(name: str) -> str:
    return re.sub(r"[_\s]+", " ", name).strip()


def _is_ordinal(folder: str) -> bool:
    """Whether its number can be nothing but a place in a list: 001_cup, 7.cup."""
    found = NUMBER_BEFORE.match(folder)
    return found is not None and (found["number"].startswith("0") or found["mark"] == ".")


def _numbers_are_an_order(folders: Sequence[str]) -> bool:
    """Whether the numbers before all names count them: 1_cup, 2_ball, 3_hat."""
    found = [NUMBER_BEFORE.match(folder) for folder in folders]
    numbers = sorted(int(one["number"]) for one in found if one)
    return len(numbers) == len(folders) and numbers in (
        list(range(len(folders))),
        list(range(1, len(folders) + 1)),
    )


def _warn(folders: Sequence[str], names: Sequence[str], place: str) -> None:
    ids = [
        folder for folder, name in zip(folders, names, strict=True) if WORDNET_ID.fullmatch(folder) and name != folder
    ]
    if ids:
        logger.warning(
            '%s: %d folders are called by WordNet ids and get its names: %s is "%s"',
            *(place, len(ids), ids[0], names[list(folders).index(ids[0])]),
        )
    bare = [name for name in names if not any(letter.isalpha() for letter in name) or WORDNET_ID.fullmatch(name)]
    if bare:
        logger.warning(
            "%s: %d classes are called by numbers (%s), which no caption says. Write their names into classnames.txt there, one a line "
            "in the order of the folders",
            *(place, len(bare), ", ".join(bare[:NUMBERED]) + (", ..." if len(bare) > NUMBERED else "")),
        )
    warn_of_one_name(names, place)
