"""What a person writes into the one line of the search, as terms and filters: red cup + photo:ID*0.5 - "a car" word:kitchen split:test."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from clip_pipeline.errors import SettingsError

MAX_CHARACTERS, MAX_TERMS = 2_000, 16
MAX_WEIGHT = 100.0
PHOTO = "photo"
FILTERS = ("word", "licence", "source", "split", "size")
SHOWN = 40
_OPERATORS = {"+": 1, "-": -1, "−": -1, "–": -1}
_TOKEN = re.compile(r"""[+−–-](?=["\s]|$)|"[^"]*"(?:\*\S+)?|[^\s":]+:"[^"]*"(?:\*\S+)?|\S+""")
_WEIGHT = re.compile(r"\*([^*\s\"]+)$")
_KEY = re.compile(r"([a-zA-Z_]+):(?=\S)")


class TermKind(StrEnum):
    """What a term is: words, a photo of the index by its id, or bytes of a photo from elsewhere."""

    TEXT = "text"
    PHOTO = "photo"
    FILE = "file"


@dataclass(frozen=True)
class Term:
    """kind, and what: words, an id, or the path of a file. weight: above 0. minus: what is unwanted."""

    kind: TermKind
    what: str
    weight: float = 1.0
    minus: bool = False


@dataclass(frozen=True)
class Query:
    """terms: in the order in which they were written. filters: values by filter; of one filter any counts, of several all."""

    terms: tuple[Term, ...]
    filters: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def plus(self) -> tuple[Term, ...]:
        return tuple(term for term in self.terms if not term.minus)

    @property
    def minus(self) -> tuple[Term, ...]:
        return tuple(term for term in self.terms if term.minus)


def parse_query(
    text: str, like: Iterable[str] = (), unlike: Iterable[str] = (), filters: Iterable[tuple[str, str]] = ()
) -> Query:
    """The query that a line means, with photos `like` (ids or files), texts `unlike` and (filter, value) pairs added to it.

    Terms are separated by + and - with blanks around them, or in front of a word; a weight follows a star. Words with a
    colon that are no filter, as 16:9, are words. Raises SettingsError for an empty query, one that only says what is unwanted, more than
    2,000 characters or 16 terms, a weight that is no number above 0, an unknown filter.
    """
    if len(text) > MAX_CHARACTERS:
        raise SettingsError(
            f"The query has {len(text):,} characters, the most that are read is {MAX_CHARACTERS:,}. Say it in a few words."
        )
    terms, found = _Parts(), dict[str, list[str]]()
    for token in _TOKEN.findall(text):
        key = _KEY.match(token)
        if token in _OPERATORS:
            terms.begin(_OPERATORS[token] < 0)
        elif key and key[1].lower() in FILTERS:
            found.setdefault(key[1].lower(), []).append(_unquoted(token[key.end() :]))
        elif key and key[1].lower() == PHOTO:
            terms.photo(token[key.end() :])
        elif key and not token.startswith(('"', "http:", "https:")):
            raise SettingsError(
                f'"{token[:SHOWN]}": there is no filter {key[1][:SHOWN]}. There are {", ".join(FILTERS)} and {PHOTO}:ID; write "'
                f'{token.replace(":", ": ")[:SHOWN]}" to search for the words.'
            )
        else:
            terms.words(token)
    for name, value in filters:
        found.setdefault(name, []).append(value)
    known = [*terms.finished(), *(_photo_or_file(one) for one in like), *_unwanted(unlike)]
    return _checked(known, {name: tuple(values) for name, values in found.items()})


def _unwanted(texts: Iterable[str]) -> list[Term]:
    return [Term(TermKind.TEXT, *_with_weight(text.strip()), minus=True) for text in texts]


def _photo_or_file(name: str) -> Term:
    """An id of the index, or a path. Which of them it is the index says: ids may hold slashes."""
    return Term(TermKind.FILE, *_with_weight(name))


def _checked(terms: list[Term], filters: dict[str, tuple[str, ...]]) -> Query:
    terms = [term for term in terms if term.what]
    if len(terms) > MAX_TERMS:
        raise SettingsError(f"The query has {len(terms)} terms, the most that are read is {MAX_TERMS}. Leave some out.")
    if long := [term for term in terms if len(term.what) > MAX_CHARACTERS]:
        raise SettingsError(
            f"A term has {len(long[0].what):,} characters, the most that are read is {MAX_CHARACTERS:,}. Say it in a few words."
        )
    if not any(not term.minus for term in terms):
        only = "The query only says what is unwanted" if terms else "The query is empty"
        raise SettingsError(
            f'{only}. Say what is looked for, as in clip-pipeline search "a red cup", or name a photo with --like.'
        )
    for name in filters:
        if name not in FILTERS:
            raise SettingsError(f"There is no filter {name[:SHOWN]}. There are {', '.join(FILTERS)}.")
    return Query(tuple(terms), filters)


def _unquoted(token: str) -> str:
    return token.strip('"')


def _with_weight(token: str) -> tuple[str, float]:
    """What stands before a star, and the number after it. Raises SettingsError for what is no number above 0."""
    match = _WEIGHT.search(token)
    if match is None:
        return token, 1.0
    try:
        weight = float(match[1])
    except ValueError:
        weight = math.nan
    if not 0 < weight <= MAX_WEIGHT:  # nan too
        raise SettingsError(
            f'"{token[-SHOWN:]}": the weight after * is a number above 0 and at most {MAX_WEIGHT:g}. Write - before a term that is unwanted.'
        )
    return token[: match.start()], weight


class _Parts:
    """Terms while a line is read: words that follow one another are one."""

    def __init__(self) -> None:
        self._terms: list[Term] = []
        self._words: list[str] = []
        self._weight, self._minus = 1.0, False

    def begin(self, minus: bool) -> None:
        self._finish()
        self._minus = minus

    def words(self, token: str) -> None:
        sign, rest = token[:1], token[1:]
        if sign in _OPERATORS and rest and not self._is_number(rest):
            self.begin(_OPERATORS[sign] < 0)
            token = rest
        word, weight = _with_weight(token)
        self._words.append(_unquoted(word))
        if weight != 1.0 or word != token:
            self._weight = weight
            self._finish()

    def photo(self, token: str) -> None:
        self._finish()
        name, weight = _with_weight(token)
        self._terms.append(Term(TermKind.PHOTO, _unquoted(name), weight, self._minus))
        self._minus = False

    def finished(self) -> list[Term]:
        self._finish()
        return self._terms

    def _finish(self) -> None:
        if text := " ".join(filter(None, self._words)):
            self._terms.append(Term(TermKind.TEXT, text, self._weight, self._minus))
            self._minus = False
        self._words, self._weight = [], 1.0

    @staticmethod
    def _is_number(text: str) -> bool:
        return text.replace(".", "", 1).isdigit()
