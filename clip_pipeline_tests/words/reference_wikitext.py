"""Wikitext to the prose that a reader sees, in time linear in the length of the text.

Kept: running text, headings, list items, link labels, the captions of single images, the literal text of <nowiki>.
Dropped: templates, tables, references, comments, formulas, source code, galleries, categories, language links, urls.

Nesting is resolved by counting brackets once, never by trying again from each bracket, and no pattern here can
backtrack over a stretch twice: a page of a million opening braces costs no more than a page of prose.
"""

from __future__ import annotations

import functools
import html
import re
from collections.abc import Iterable

ENGLISH_LINK_NAMES = ("File", "Image", "Media", "Category")

DROPPED_ELEMENTS = (
    "ref", "references", "math", "chem", "ce", "gallery", "timeline", "source", "syntaxhighlight", "pre", "score", "hiero",
    "graph", "imagemap", "templatedata", "templatestyles", "mapframe", "maplink", "indicator", "inputbox",
    "categorytree", "includeonly", "table", "style", "script",
)  # fmt: skip
INLINE_TAGS = (
    "b", "i", "u", "s", "em", "strong", "big", "small", "sub", "sup", "span", "font", "code", "tt", "var", "kbd", "samp",
    "cite", "abbr", "acronym", "del", "ins", "bdi", "bdo", "q", "strike", "ruby", "rt", "rp", "rb", "dfn", "mark", "time",
    "data", "wbr", "noinclude", "onlyinclude", "nobr", "section", "nowiki", "a", "charinsert",
)  # fmt: skip
BLOCK_TAGS = (
    "br", "hr", "p", "div", "li", "ul", "ol", "dl", "dt", "dd", "tr", "td", "th", "caption", "tbody", "thead", "blockquote",
    "center", "h1", "h2", "h3", "h4", "h5", "h6", "poem", "img",
)  # fmt: skip

_RAW = re.compile(
    rf"<!--.*?(?:-->|\Z)|<(/?)(nowiki|{'|'.join(sorted(DROPPED_ELEMENTS, key=len, reverse=True))})\b([^<>]*)>",
    re.DOTALL | re.IGNORECASE,
)
_NOWIKI_MARKUP = str.maketrans(dict.fromkeys("{}[]|<>=*#:;_", " "))
_NOTHING = "\0"
"""Stands for <nowiki/>, which keeps quotes or brackets apart: ''Foo''<nowiki/>'s. No XML text holds this character."""
_BRACES = re.compile(r"\{[{|]|\}\}|\|\}(?!\})")
_EXTERNAL_LINK = re.compile(r"\[(?:(?:https?:|ftp:|irc:)?//|mailto:)[^\s\[\]]*+[ \t]*+([^\[\]\n]*+)\]")
_URL = re.compile(r"(?:http|https|ftp)://[^\s\[\]<>\"|{}]++")
_INLINE_TAG = re.compile(rf"</?(?:{'|'.join(INLINE_TAGS)})(?:[\s/][^<>]*)?>", re.IGNORECASE)
_BLOCK_TAG = re.compile(rf"</?(?:{'|'.join(BLOCK_TAGS)})(?:[\s/][^<>]*)?>", re.IGNORECASE)
_QUOTES = re.compile(r"''++")
_MAGIC_WORD = re.compile(r"__[A-Z]{3,30}__")
_LANGUAGE_LINK = r"[a-z]{2,3}(?:-[a-z-]{2,12})?:[^\[\]|]*+\]\]"
_FILE_OPTION = re.compile(
    r"thumb(?:nail)?(?:\s*=.*)?|frame(?:d|less)?|border|left|right|center|centre|none|baseline|middle|sub|super|text-top|"
    r"text-bottom|top|bottom|upright\s*+=?\s*+[\d.]*+|[\dx\s]++px|(?:alt|link|page|lang|class|start|end|thumbtime)\s*=.*|",
    re.IGNORECASE | re.DOTALL,
)
# no possessive groups: Python before 3.11.5 gets them wrong (python/cpython issue 106052), and here they change nothing
_LINE = re.compile(r"\A\s*+(?:(?P<table>\{?\|)|(?P<heading>=[= \t]*+)|[*#:;][*#:; \t]*+)?(?P<rest>.*)\Z", re.DOTALL)
_LINK_BODIES = (r"[^\[\]]*+", *[r"(?:[^\[\]]|\[(?!\[)|\](?!\]))*"] * 3)
"""What may stand between [[ and ]]; one pass each, so images inside captions of images are resolved three deep."""


def plain_text(wikitext: str, link_names: Iterable[str] = ENGLISH_LINK_NAMES) -> str:
    """The readable text of an article, one paragraph, heading or list item a line.

    wikitext: as in the dump, after its XML entities were decoded; HTML entities are decoded here.
    link_names: the wiki's names of the namespaces whose links show no label: files and categories.
    """
    text = _drop_elements(wikitext)
    text = _drop_templates_and_tables(text)
    if "//" in text:
        text = _EXTERNAL_LINK.sub(r"\1", text)
        text = _URL.sub(" ", text)
    text = _replace_links(text, tuple(link_names))
    text = "\n".join(map(_without_quotes, text.split("\n")))
    if "<" in text:
        text = _INLINE_TAG.sub("", text)
        text = _BLOCK_TAG.sub("\n", text)
    text = text.replace(_NOTHING, "")
    if "__" in text:
        text = _MAGIC_WORD.sub(" ", text)
    for _ in range(2):
        # Twice: editors and bots write &amp;nbsp; for &nbsp; often enough to make "nbsp" and "amp" frequent words.
        if "&" in text:
            text = html.unescape(text)
    return _tidy_lines(text.replace("\xa0", " ").replace("\xad", ""))


def gallery_captions(wikitext: str, link_names: Iterable[str] = ENGLISH_LINK_NAMES) -> str:
    """What the captions of the article's galleries show: each line of one is an image."""
    images: list[str] = []
    _drop_elements(wikitext, images)
    return plain_text("\n".join(images), link_names) if images else ""


def _without_quotes(line: str) -> str:
    """MediaWiki's rules for runs of apostrophes, as its parser's doQuotes describes them."""
    pieces = re.split(r"(''+)", line)
    italics = bolds = 0
    for place in range(1, len(pieces), 2):
        size = len(pieces[place])
        extra = 1 if size == 4 else max(0, size - 5)
        pieces[place - 1] += "'" * extra
        pieces[place] = "'" * (size - extra)
        italics += size - extra in (2, 5)
        bolds += size - extra in (3, 5)
    single = many = spaced = -1
    if italics % 2 and bolds % 2:
        for place in range(1, len(pieces), 2):
            if pieces[place] == "'''":
                before = pieces[place - 1]
                last, last_but_one = before[-1:], before[-2:-1] or before[-1:]
                if last == " ":
                    spaced = place if spaced < 0 else spaced
                elif last_but_one == " ":
                    single = place if single < 0 else single
                elif many < 0:
                    many = place
    chosen = max(single, -1) if single >= 0 else many if many >= 0 else spaced
    return "".join(piece if place % 2 == 0 else "'" if place == chosen else "" for place, piece in enumerate(pieces))


def _drop_elements(text: str, images: list[str] | None = None) -> str:
    """Without comments and DROPPED_ELEMENTS; the content of <nowiki> stays, with its markup characters blanked.

    An opening tag without a closing one is dropped alone, its text stays. An unclosed comment reaches to the end, as in
    MediaWiki.
    """
    if "<" not in text:
        return text
    matches = list(_RAW.finditer(text))
    if not matches:
        return text
    last_closing = {match.group(2).lower(): match.start() for match in matches if match.group(1)}
    pieces = []
    position = 0
    waiting_for = ""
    for match in matches:
        name = (match.group(2) or "").lower()
        if waiting_for:
            if name != waiting_for or not match.group(1):
                continue
            if name == "nowiki":
                pieces.append(_QUOTES.sub(" ", text[position : match.start()].translate(_NOWIKI_MARKUP)) + _NOTHING)
            else:
                if name == "gallery" and images is not None:
                    lines = text[position : match.start()].split("\n")
                    images += [f"[[File:x|{line.partition('|')[2]}]]" for line in lines if "|" in line]
                pieces.append(" ")
            waiting_for = ""
        else:
            pieces.append(text[position : match.start()])
            if name == "nowiki":
                pieces.append(_NOTHING)
            opens = name and not match.group(1) and not match.group(3).endswith("/")
            if opens and last_closing.get(name, -1) > match.start():
                waiting_for = name
        position = match.end()
    pieces.append(text[position:])
    return "".join(pieces)


def _drop_templates_and_tables(text: str) -> str:
    """Without {{...}} and {|...|}, nested ones included. Unclosed ones are left, their closed inner ones are dropped."""
    opened: list[tuple[bool, int]] = []  # is it a table, where does it begin
    spans: list[tuple[int, int]] = []
    for match in _BRACES.finditer(text):
        token, start = match.group(), match.start()
        inside_template = bool(opened) and not opened[-1][0]
        if token == "{{":
            opened.append((False, start))
        elif token == "}}":
            if not inside_template:
                continue
            _close_span(spans, opened.pop()[1], match.end())
        elif inside_template or not _begins_line(text, start):
            # Inside a template only its own braces count.
            continue
        elif token == "{|":
            opened.append((True, start))
        elif opened:
            _close_span(spans, opened.pop()[1], match.end())
    if not spans:
        return text
    pieces = []
    position = 0
    for start, end in spans:
        pieces.append(text[position:start])
        position = end
    pieces.append(text[position:])
    return " ".join(pieces)


def _close_span(spans: list[tuple[int, int]], start: int, end: int) -> None:
    while spans and spans[-1][0] > start:
        spans.pop()
    spans.append((start, end))


def _begins_line(text: str, position: int) -> bool:
    """Whether only colons and blanks (at most 40) stand before `position` on its line."""
    before = text[max(0, position - 40) : position]
    line = before[before.rfind("\n") + 1 :]
    whole_line = len(line) < len(before) or position <= 40
    return whole_line and not line.strip(": \t")


@functools.lru_cache(maxsize=16)
def _link_patterns(link_names: tuple[str, ...], body: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    names = "|".join(re.escape(name).replace(r"\ ", "[ _]") for name in sorted({*link_names, *ENGLISH_LINK_NAMES}))
    special = rf"\s*(?i:{names})\s*:"
    label = re.compile(rf"\[\[(?!{special}|{_LANGUAGE_LINK})(?:[^\[\]|]*+\|)?({body})\]\]")
    hidden = re.compile(rf"\[\[(?:{_LANGUAGE_LINK}|({special})({body})\]\])")
    return label, hidden


def _replace_links(text: str, link_names: tuple[str, ...]) -> str:
    """[[a|b]] to b, [[a]] to a, an image to its caption, categories and language links to nothing."""
    # The innermost links first, so that a caption has no links left when its image's turn comes. Single brackets inside
    # a link are rare, and the pattern that allows them is slow.
    for body in _LINK_BODIES:
        if "[[" not in text:
            return text
        label, hidden = _link_patterns(link_names, body)
        text = label.sub(r"\1", text)
        text = hidden.sub(_caption_of_image, text)
    return text.replace("[[", " ").replace("]]", " ")


def _caption_of_image(match: re.Match[str]) -> str:
    """The last parameter of an image that is no option, on a line of its own; nothing for categories."""
    for parameter in reversed((match.group(2) or "").split("|")[1:]):
        if not _FILE_OPTION.fullmatch(parameter.strip()):
            return f"\n{parameter}\n" if _shows_caption(match.group(1)) else " "
    return " "


def _shows_caption(prefix: str) -> bool:
    return prefix.strip().lower().rstrip(": ") != "category"


def _tidy_lines(text: str) -> str:
    """Without the marks of headings and lists, without rests of broken tables, without empty lines."""
    lines = (_LINE.sub(_line_without_marks, line).strip() for line in text.split("\n"))
    return "\n".join(filter(None, lines))


def _line_without_marks(match: re.Match[str]) -> str:
    if match["table"]:
        return ""
    return match["rest"].rstrip().rstrip("= \t") if match["heading"] else match["rest"]
