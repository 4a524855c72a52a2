"""An article's HTML to the prose that a reader sees: the same text that its wikitext gives, but for a few per cent.

Kept: running text, headings, list items, labels of links, captions of images. Dropped: what templates made (where the
HTML tells, as Parsoid's does), tables, boxes, hatnotes, references, formulas, source code, galleries, categories.
Parsoid's marks: https://www.mediawiki.org/wiki/Specs/HTML. Classes are those of MediaWiki's own skin and of Wikipedia.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import unescape
from typing import Any

from clip_pipeline.machine.bounded import parse_json
from clip_pipeline.words.wikitext.links import CAPTION_BEGINS, CAPTION_ENDS

DROPPED_TAGS = frozenset((
    "head", "style", "script", "noscript", "template", "table", "math", "svg", "audio", "video", "iframe", "object", "select",
    "input", "button", "textarea", "map", "title", "meta", "link",
))  # fmt: skip
BLOCK_TAGS = frozenset((
    "p", "div", "section", "li", "ul", "ol", "dl", "dt", "dd", "blockquote", "center", "figure", "figcaption", "h1", "h2",
    "h3", "h4", "h5", "h6", "hr", "pre", "article", "main", "header", "footer", "nav", "aside", "address",
))  # fmt: skip
DROPPED_CLASSES = frozenset(
    (
        "infobox", "navbox", "navbox-styles", "vertical-navbox", "sidebar", "sistersitebox", "side-box", "metadata", "ambox", "tmbox",
        "ombox", "mbox-small", "hatnote", "dablink", "rellink", "noprint", "mw-editsection", "mw-editsection-like", "toc", "toclimit",
        "reference", "references", "reflist", "refbegin", "mw-references-wrap", "mw-references", "mw-ref", "citation", "mwe-math-element",
        "mwe-math-fallback-image-inline", "gallery", "catlinks", "mw-hidden-catlinks", "printfooter", "magnify", "mw-highlight",
        "mw-empty-elt", "mw-jump-link", "mw-indicators", "authority-control", "portalbox", "portal-bar", "shortdescription",
        "error", "mw-ext-cite-error", "timeline-wrapper", "mw-kartographer-container", "mw-phonos", "bandeau-container",
        "autonumber", "stub", "asbox", "geo-nondefault",
    )
)  # fmt: skip
DROPPED_IDS = frozenset(("toc", "coordinates", "catlinks", "siteSub", "contentSub", "mw-toc-heading"))
KEPT_EXTENSIONS = frozenset(("poem", "section", "langconvert"))
"""Extension tags whose content is prose; that of all others (ref, math, gallery, source, ...) is not."""

_HIDING = re.compile(r"(?:^|;)\s*(?:display\s*:\s*none|visibility\s*:\s*hidden)", re.IGNORECASE)
_EXTENSION = re.compile(r"mw:Extension/([\w-]+)")
_URL = re.compile(r"(?:http|https|ftp)://[^\s\[\]<>\"|{}]++")
_BLANKS = re.compile(r"[^\S\n]+")


_BEGIN, _END = chr(CAPTION_BEGINS), chr(CAPTION_ENDS)


@dataclass(frozen=True)
class HtmlText:
    """marked: the prose, a paragraph, heading or list item a line, and at its end the captions of galleries; captions stand between
    the marks of `words/wikitext/links.py`."""

    marked: str

    @property
    def text(self) -> str:
        """The prose without the marks."""
        return _unmarked(self.marked)


def _unmarked(text: str) -> str:
    return text.replace(_BEGIN, "").replace(_END, "") if _BEGIN in text or _END in text else text


def html_text(html: str) -> HtmlText:
    """The readable text of an article's HTML: Parsoid's (REST API, Enterprise) or the web page's own."""
    # lxml's own tree, as that of BeautifulSoup takes twenty times as long (2.5 MB/s against 53 for the parser, 2026-11-21).
    from lxml import etree

    parser = etree.HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True, huge_tree=True)
    root = etree.fromstring(html.encode("utf-8", "replace"), parser) if html.strip() else None
    if root is None:
        return HtmlText("")
    pieces: list[str] = []
    galleries: list[str] = []
    templates: set[str] = set()
    walk = etree.iterwalk(root, events=("start", "end"))
    dropped = None
    for event, element in walk:
        tag = element.tag
        if event == "start":
            if dropped is None and (_is_dropped(element, templates) or _is_variant(element)):
                dropped = element
                pieces.append(_variant_text(element))
                galleries += _gallery_captions(element)
                walk.skip_subtree()
                continue
            if tag in BLOCK_TAGS:
                pieces.append("\n")
            if _is_caption(element):
                pieces.append(_BEGIN)
            if element.text:
                pieces.append(_unmarked(element.text))
            continue
        if element is dropped:
            dropped = None
            if not _is_variant(element):
                # A space: what stood on both sides are different words.
                pieces.append(" ")
        else:
            if _is_caption(element):
                pieces.append(_END)
            if tag in BLOCK_TAGS or tag == "br":
                pieces.append("\n")
        if element.tail:
            pieces.append(_unmarked(element.tail))
    return HtmlText(_tidy_lines("".join((*pieces, "\n", *galleries))))


def is_disambiguation_html(html: str) -> bool:
    """Whether the page says that it is a list of meanings: Parsoid's page property, or the box that Wikipedias show."""
    return (
        'property="mw:PageProp/disambiguation"' in html
        or 'id="disambigbox"' in html
        or 'id="Vorlage_Begriffsklaerung"' in html
    )


def is_redirect_html(html: str) -> bool:
    """Whether the page is only a pointer to another."""
    return 'rel="mw:PageProp/redirect"' in html or 'class="redirectMsg"' in html


def _is_dropped(element: Any, templates: set[str]) -> bool:
    """templates: the marks (`about`) of templates met so far, by which Parsoid names all elements that one made."""
    tag = element.tag
    attributes = element.attrib
    if not attributes:
        return tag in DROPPED_TAGS
    kind = attributes.get("typeof", "")
    if "mw:Transclusion" in kind and _is_all_template(attributes.get("data-mw", "")):
        if "about" in attributes:
            templates.add(attributes["about"])
        return True
    if tag in DROPPED_TAGS or (templates and attributes.get("about") in templates):
        return True
    if "mw:Extension/" in kind and any(name not in KEPT_EXTENSIONS for name in _EXTENSION.findall(kind)):
        return True
    classes = attributes.get("class", "").split()
    # A bare address shows itself; one with a label shows words.
    if not DROPPED_CLASSES.isdisjoint(classes) or (tag == "a" and "free" in classes):
        return True
    return attributes.get("id") in DROPPED_IDS or _is_hidden(attributes)


def _is_hidden(attributes: Any) -> bool:
    """Whether no reader sees the element: hidden by its style or by the attribute. ("until-found" shows it to a search.)"""
    return "hidden" in attributes or ("style" in attributes and _HIDING.search(attributes["style"]) is not None)


def _is_variant(element: Any) -> bool:
    """Whether it is Parsoid's mark of -{...}-."""
    return "mw:LanguageVariant" in element.get("typeof", "")


def _variant_text(element: Any) -> str:
    """What a reader of the first variant sees of -{...}-; "" for any other element, and for rules that show nothing."""
    if not _is_variant(element) or element.tag == "meta":
        return ""
    try:
        rule = parse_json(element.get("data-mw-variant", "{}"))
        shown = [*rule.get("twoway", []), *rule.get("oneway", []), rule.get("disabled"), rule.get("filter")]
        text = next((str(one["t"]) for one in shown if isinstance(one, dict) and "t" in one), "")
    except (ValueError, AttributeError, TypeError):
        return ""
    return html_text(text).text if "<" in text else text


def _gallery_captions(element: Any) -> list[str]:
    """The captions of a gallery, each on a line of its own; nothing for any other element."""
    if "gallery" not in element.get("class", "").split():
        return []
    boxes = element.iterfind(".//li")
    return [f"{_BEGIN}{_unmarked(''.join(box.itertext()))}{_END}\n" for box in boxes]


def _is_all_template(data: str) -> bool:
    """False where templates only begin and end a stretch of the article's own text, which then is among their parts."""
    try:
        parts = parse_json(data or "{}").get("parts", [])
    except (ValueError, AttributeError):
        return True
    return not any(isinstance(part, str) and part.strip() for part in parts)


def _is_caption(element: Any) -> bool:
    return element.tag == "figcaption" or "thumbcaption" in element.get("class", "")


def _tidy_lines(text: str) -> str:
    if "&" in text:
        # Editors and bots write &amp;nbsp; for &nbsp; often enough to make "nbsp" a frequent word; wikitext is read so too.
        text = unescape(text)
    text = _URL.sub(" ", text).replace("\xad", "")
    lines = (line.strip() for line in _BLANKS.sub(" ", text).split("\n"))
    return "\n".join(line for line in lines if line)
