"""What a site lets robots do: robots.txt (RFC 9309) and the X-Robots-Tag field, read for the robot that we are."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import quote

PRODUCT = "clip_pipeline"
"""The name under which a site may speak to us, in robots.txt and in X-Robots-Tag."""

FORBIDDING_DIRECTIVES = frozenset(["noai", "noimageai", "noindex", "noimageindex", "none"])
"""`none` stands for noindex and nofollow."""

VALUED_DIRECTIVES = frozenset(["unavailable_after", "max-snippet", "max-image-preview", "max-video-preview"])
"""Directives of X-Robots-Tag that have a colon in them, which else ends a robot's name."""

PRODUCT_TOKEN = re.compile(r"[A-Za-z_-]+")
LINE_END = re.compile(r"\r\n|\r|\n")
ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
QUERY_ALIKE = frozenset(b":/?@,;=+!'()")
"""Reserved characters that mean the same in a query whether they are escaped or not; & and # do not."""


@dataclass(frozen=True)
class Robots:
    """The rules of a robots.txt that concern us: patterns, and whether they allow.

    plain: those without `*` and `$`; lengths: theirs, the longest first. wild: the others. crawl_delay: seconds wanted
    between two requests.
    """

    plain: dict[str, bool] = field(default_factory=dict)
    lengths: tuple[int, ...] = ()
    wild: tuple[tuple[str, bool], ...] = ()
    crawl_delay: float = 0.0

    def allows(self, target: str) -> bool:
        """Whether path and query may be asked for: the longest pattern that matches decides, of equal ones `Allow`."""
        if not self.plain and not self.wild:
            return True
        if target.partition("?")[0] == "/robots.txt":
            return True
        target = _normal(target).replace("*", "%2A").replace("$", "%24")
        longest, allowed = 0, True
        for length in self.lengths:  # a look-up each, however many rules there are
            if length <= len(target) and (rule := self.plain.get(target[:length])) is not None:
                longest, allowed = length, rule
                break
        for pattern, rule in self.wild:
            length = len(pattern)
            if (length > longest or (length == longest and rule)) and _matches(pattern, target):
                longest, allowed = length, rule
        return allowed


def parse_robots(content: bytes, product: str = PRODUCT) -> Robots:
    """The rules for `product`: those of the groups that name it, else those of the groups for `*`."""
    groups = list(_groups(content.decode("utf-8", "replace").removeprefix("\ufeff")))
    product = product.lower()
    ours = [lines for agents, lines in groups if product in agents]
    if not ours:
        ours = [lines for agents, lines in groups if "*" in agents]
    plain: dict[str, bool] = {}
    wild: dict[str, bool] = {}
    crawl_delay = 0.0
    for key, value in (line for lines in ours for line in lines):
        if key == "crawl-delay":
            crawl_delay = max(crawl_delay, _seconds(value))
        elif value:  # an empty pattern matches nothing
            end = "$" if value.endswith("$") else ""
            pattern = _normal(value.removesuffix("$")).replace("$", "%24") + end
            rules = wild if end or "*" in pattern else plain
            rules[pattern] = rules.get(pattern, False) or key == "allow"
    lengths = sorted({len(pattern) for pattern in plain}, reverse=True)
    return Robots(plain, tuple(lengths), tuple(wild.items()), crawl_delay)


def forbidding_directive(values: Iterable[str], product: str = PRODUCT) -> str | None:
    """The first directive of X-Robots-Tag that forbids us the photo, None where there is none.

    values: of each such field. A value may begin with a robot's name and a colon, and then concerns that robot alone;
    `clip_pipeline: noai` is for us, `otherbot: noindex` is not.
    """
    for value in values:
        concerned = True
        for part in value.lower().split(","):
            name, colon, directive = part.partition(":")
            name = name.strip()
            if colon and name not in VALUED_DIRECTIVES:
                concerned = name in (product.lower(), "*")
                name = directive.strip()
            if concerned and name in FORBIDDING_DIRECTIVES:
                return name
    return None


def _groups(text: str) -> Iterable[tuple[set[str], list[tuple[str, str]]]]:
    """(names of robots in lower case, their lines): names that follow each other share the lines after them."""
    agents: set[str] = set()
    lines: list[tuple[str, str]] = []
    in_rules = False
    for line in LINE_END.split(text):
        key, colon, value = line.partition("#")[0].partition(":")
        key, value = key.strip().lower(), value.strip()
        if not colon:
            continue
        if key == "user-agent":
            if in_rules:
                yield agents, lines
                agents, lines, in_rules = set(), [], False
            token = PRODUCT_TOKEN.match(value)
            agents.add(token[0].lower() if token else value.split(maxsplit=1)[0] if value else "")
        elif key in ("allow", "disallow"):
            in_rules = True
            lines.append((key, value))
        elif key == "crawl-delay":  # not in the RFC, so it does not end the list of names
            lines.append((key, value))
    yield agents, lines


def _seconds(value: str) -> float:
    try:
        seconds = float(value)
    except ValueError:
        return 0.0
    return seconds if 0.0 < seconds < float("inf") else 0.0


def _normal(target: str) -> str:
    """One spelling of each path and query: escapes only where they mean something, other bytes escaped."""
    if target.isascii() and "%" not in target:
        return target
    path, mark, query = quote(target, safe="!#$%&'()*+,/:;=?@[]~").partition("?")
    return _unescaped(path, UNRESERVED) + mark + _unescaped(query, UNRESERVED | QUERY_ALIKE)


def _unescaped(text: str, characters: frozenset[int]) -> str:
    def spelled(escape: re.Match[str]) -> str:
        byte = int(escape[1], 16)
        return chr(byte) if byte in characters else escape[0].upper()

    return ESCAPE.sub(spelled, text)


def _matches(pattern: str, target: str) -> bool:
    """Whether a pattern with `*` (anything) and a last `$` (the end) matches the beginning of a target.

    Piece by piece from the left, each at its first place: no pattern makes that slow, as it would a regular expression.
    """
    anchored = pattern.endswith("$")
    first, *pieces = (pattern[:-1] if anchored else pattern).split("*")
    if not target.startswith(first):
        return False
    place = len(first)
    if anchored:
        if not pieces:
            return place == len(target)
        last = pieces.pop()
    for piece in pieces:
        found = target.find(piece, place)
        if found < 0:
            return False
        place = found + len(piece)
    return not anchored or (target.endswith(last) and len(target) - len(last) >= place)
