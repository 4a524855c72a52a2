"""One class in several spellings (Cat and cat, café in two normal forms, red_cup and red cup): the same one in another split, else said."""

from __future__ import annotations

import logging
import re
import unicodedata
from collections import defaultdict
from collections.abc import Sequence

logger = logging.getLogger(__name__)

_BLANKS = re.compile(r"[_\s]+")


def join_spellings(classes: Sequence[str | None], splits: Sequence[str] | None, place: str) -> list[str | None]:
    """The classes, a photo each, where a class that two splits spell differently has the spelling of the split with most photos of it.

    train/Cat and test/cat would otherwise be two classes of which no photo is learnt and tested. Two spellings within one split stay two
    classes. Both are a warning with the names. splits: one a photo, None for no splits. place: what the warning is about.
    """
    counts: dict[str, dict[str, dict[str, int]]] = defaultdict(lambda: defaultdict(lambda: defaultdict(int)))
    for row, name in enumerate(classes):
        if name is not None:
            counts[spelling_key(name)][name][splits[row] if splits else ""] += 1
    new_name: dict[str, str] = {}
    for spellings in counts.values():
        if len(spellings) < 2:
            continue
        names = sorted(spellings, key=lambda name: (-sum(spellings[name].values()), name))
        shown = " and ".join(f'"{name}"' for name in names)
        if any(len(spellings[one].keys() & spellings[other].keys()) for one in names for other in names if one < other):
            logger.warning(
                "%s: the classes %s differ in their spelling only and stay several, as one split has both: call them alike to have one",
                *(place, shown),
            )
        else:
            logger.warning("%s: the classes %s of different splits are one, called %s", place, shown, names[0])
            new_name |= dict.fromkeys(names, names[0])
    return [name if name is None else new_name.get(name, name) for name in classes]


def spelling_key(name: str) -> str:
    """The same for names that differ in case, in blanks and underscores, or in Unicode's normal form."""
    return _BLANKS.sub(" ", unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())).strip()
