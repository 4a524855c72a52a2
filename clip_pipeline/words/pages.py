"""The pages of a dump: XML in, one `Page` at a time out, in constant memory.

The parser is expat. It loads nothing from outside, and a dump has no document type, so one that declares entities is
refused before they could be expanded. It is the careful reader: counting finds most pages without it (`page_scan.py`)
and gives it the beginning of the document, every page that is written in an unusual way, and the end.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from xml.parsers import expat

from clip_pipeline.errors import DumpError
from clip_pipeline.words.wiki_names import Site, all_names, namespace_keys

MAX_TEXT, MAX_NAME = 4_000_000, 10_000
"""Characters of an article, whose limit in MediaWiki is 2 MiB, and of a title or a number, whose limit is 255 bytes."""
MAX_TOKEN_BYTES = 16_000_000
"""Of one tag with its attributes, or one comment: expat keeps it whole."""
MAX_DEPTH = 64
"""Elements within each other; an export has six."""

WIKITEXT_MODEL = "wikitext"
BEGINS_AGAIN = tuple(
    expat.errors.codes[code]
    for code in (expat.errors.XML_ERROR_JUNK_AFTER_DOC_ELEMENT, expat.errors.XML_ERROR_MISPLACED_XML_PI)
)
"""How expat finds a second document behind the first one."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page with the text of its newest revision, as wikitext (XML entities decoded, HTML entities not yet).

    model: what the text is, wikitext in nearly all pages: MediaWiki's content model.
    """

    id: int
    title: str
    namespace: int
    redirect: bool
    text: str
    model: str = WIKITEXT_MODEL


class ExportReader:
    """Reads an export document that arrives in pieces, or several after each other; any version of the export format, UTF-8 or UTF-16.

    Versions before 0.5 name no namespace, it is then looked up from the title's prefix.
    name: of the file, for errors. site: the wiki's own names, where the head that lists them is not in the document.
    """

    def __init__(self, name: str, site: Site | None = None, last_title: str | None = None):
        self.name = name
        self.namespaces = dict((site or Site()).namespaces)
        self.language = (site or Site()).language
        self.last_title = last_title
        self.encoding = "utf-8"
        self._namespace_keys: dict[str, int] = {}
        self._pages: list[Page] = []
        self._fed = 0
        self._page_end = -1
        self._in_page = False
        self._pieces: list[str] = []
        self._length = self._most = 0
        self._fields: dict[str, str] = {}
        self._begin_document()

    def feed(self, data: bytes) -> Iterator[Page]:
        """The pages that end in the next bytes. Raises DumpError where they are no export, after the pages before that."""
        self._fed += len(data)
        return self._parse(data, False)

    def close(self) -> Iterator[Page]:
        """To be called after the last byte: raises DumpError where the document is not complete."""
        return self._parse(b"", True)

    @property
    def between_pages(self) -> bool:
        """Whether the last byte was the last one of </page>, and what follows can be read without knowing what was before."""
        return self._page_end == self._fed

    @property
    def in_root(self) -> bool:
        """Whether the root element is open and no other is."""
        return self._depth == 1

    def reached(self) -> str:
        """How far the reading came, for errors."""
        if self.last_title is None:
            return "No whole page was read."
        return f'The last whole page read is "{self.last_title}".'

    @property
    def site(self) -> Site:
        """What is known of the wiki so far."""
        return Site(dict(self.namespaces), self.language)

    def _begin_document(self) -> None:
        self._begun = self._fed
        self._depth = 0
        self._root_closed = False
        self._tail = b""
        self._parser = expat.ParserCreate()
        self._parser.buffer_text = True
        self._parser.buffer_size = 1 << 20
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.StartDoctypeDeclHandler = self._refuse_doctype
        self._parser.XmlDeclHandler = self._read_encoding

    def _begin_next_document(self, rest: bytes) -> None:
        self._fed -= len(rest)
        self._begin_document()
        self._fed += len(rest)

    def _parse(self, data: bytes, final: bool) -> Iterator[Page]:
        if self._root_closed and data:
            # Several exports in one file, as `cat` makes it: what follows is the next one.
            data = (self._tail + data).lstrip()
            if data.startswith(b"<") and not data.startswith(b"<!"):
                self._begin_next_document(data)
        error: expat.ExpatError | None = None
        encoding_error = ""
        try:
            self._parser.Parse(data, final)
        except expat.ExpatError as found:
            error = found
        except (
            ValueError,
            LookupError,
        ) as found:  # of an encoding that Python has, and that no XML is written in (UTF-7)
            encoding_error = str(found)
        pages, self._pages = self._pages, []
        yield from pages
        if error is not None and self._root_closed and error.code in BEGINS_AGAIN:
            rest = data[self._parser.ErrorByteIndex + self._begun - self._fed + len(data) :]
            if rest.startswith(b"<"):
                self._begin_next_document(rest)
                yield from self._parse(rest, final)
                return
        if self._root_closed:
            self._tail = data[data.rfind(b">") + 1 :]  # the beginning of a tag, which the next bytes go on with
        if error is not None:
            raise DumpError(self._explain(error)) from error
        if encoding_error:
            raise DumpError(
                f'{self.name} says that it is written in "{self.encoding[:40]}", which is not read ({encoding_error[:80]}). '
                "Convert it to UTF-8."
            )
        if self._fed - self._begun - self._parser.CurrentByteIndex > MAX_TOKEN_BYTES:
            raise DumpError(
                f"{self.name} holds a tag or comment of more than {MAX_TOKEN_BYTES:,} bytes, which no export has. "
                f"{self.reached()} Download the dump again."
            )

    def _read_encoding(self, version: str, encoding: str | None, standalone: int) -> None:
        self.encoding = (encoding or "utf-8").lower()

    def _explain(self, error: expat.ExpatError) -> str:
        cut = (
            expat.errors.codes[expat.errors.XML_ERROR_NO_ELEMENTS],
            expat.errors.codes[expat.errors.XML_ERROR_UNCLOSED_TOKEN],
        )
        if self._depth == 0 and not self._root_closed:
            return f"{self.name} is no XML ({error}), expected a MediaWiki export that begins with <mediawiki>. {self.reached()}"
        if error.code in cut:
            return (
                f"{self.name} is cut: the XML ends before </mediawiki>. {self.reached()} "
                "Download the rest of the dump, or check its size against the mirror's."
            )
        return f"{self.name} is damaged: the XML breaks off ({error}). {self.reached()} Download the dump again."

    def _refuse_doctype(self, name: str, *_: object) -> None:
        raise DumpError(
            f"{self.name} declares a document type ({name}), which no MediaWiki export has. "
            "It is not read, as such declarations can name other files or expand without end. Give a pages-articles dump."
        )

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise DumpError(
                f"{self.name} holds more than {MAX_DEPTH} elements within each other, which no export does. {self.reached()} "
                "Download the dump again."
            )
        tag = tag.rpartition(":")[2]
        if self._depth == 1 and tag != "mediawiki":
            raise DumpError(f"{self.name} is XML but no MediaWiki export: its root is <{tag}>, expected <mediawiki>.")
        if self._depth == 1:
            self.language = attributes.get("xml:lang", "") or self.language
            self._namespace_keys = {}
        elif self._depth == 2:
            self._in_page = tag == "page"
            self._fields = {}
        elif self._depth == 3 and self._in_page:
            if tag in ("title", "ns", "id"):
                self._capture(MAX_NAME)
            elif tag == "redirect":
                self._fields["redirect"] = "yes"
        elif self._depth == 4:
            if self._in_page and tag == "text":
                self._capture(MAX_TEXT)
            elif self._in_page and tag == "model":
                self._capture(MAX_NAME)
            elif tag == "namespace":
                self._fields["key"] = attributes.get("key", "")
                self._capture(MAX_NAME)
        elif self._capturing:
            # Tags that somebody has not escaped, such as <br /> in a text, are those of its markup.
            self._text(f"<{tag}>")

    @property
    def _capturing(self) -> bool:
        return self._parser.CharacterDataHandler is not None

    def _capture(self, most: int) -> None:
        """most: characters that the element may hold."""
        self._captured_depth = self._depth
        self._pieces = []
        self._length, self._most = 0, most
        self._parser.CharacterDataHandler = self._text

    def _text(self, piece: str) -> None:
        self._length += len(piece)
        if self._length > self._most:
            what = "a text" if self._most == MAX_TEXT else "a title or number"
            raise DumpError(
                f"{self.name} holds {what} of more than {self._most:,} characters, which no wiki allows. {self.reached()} "
                "Download the dump again."
            )
        self._pieces.append(piece)

    def _end(self, tag: str) -> None:
        tag = tag.rpartition(":")[2]
        if self._capturing and self._depth > self._captured_depth:
            self._text(f"</{tag}>")
        elif self._capturing:
            self._parser.CharacterDataHandler = None
            text = "".join(self._pieces)
            if tag == "namespace" and not self._in_page:
                key = _number(self._fields.get("key", ""))
                if key is not None:
                    self.namespaces[key] = text
            else:
                # A page with its history holds several texts; the last one is the newest.
                self._fields[tag] = text
        elif self._depth == 2 and self._in_page:
            self._pages.append(self._make_page())
            self.last_title = self._pages[-1].title
            self._page_end = self._begun + self._parser.CurrentByteIndex + len("</page>")
        self._depth -= 1
        self._root_closed = self._depth == 0

    def _make_page(self) -> Page:
        fields = self._fields
        title = fields.get("title", "")
        text = fields.get("text", "")
        namespace = _number(fields["ns"]) if "ns" in fields else self._namespace_of(title)
        if namespace is None:
            raise DumpError(
                f'{self.name}: the page "{title[:80]}" has the namespace "{fields["ns"][:40]}", a number was expected. '
                "Download the dump again."
            )
        return Page(
            id=_number(fields.get("id", "")) or 0,
            title=title,
            namespace=namespace,
            redirect="redirect" in fields or says_redirect(text),
            text=text,
            model=fields.get("model", "").strip() or WIKITEXT_MODEL,
        )

    def _namespace_of(self, title: str) -> int:
        if not self._namespace_keys:
            self._namespace_keys = namespace_keys(self.site)
        prefix, colon, _ = title.partition(":")
        return self._namespace_keys.get(prefix.strip().lower().replace("_", " "), 0) if colon else 0


@functools.cache
def _redirect() -> re.Pattern[str]:
    names = "|".join(re.escape(name) for name in all_names()["redirects"])
    return re.compile(rf"\s{{0,11}}#(?:redirect|(?:{names})[\s:]*\[\[)", re.IGNORECASE)


def says_redirect(text: str) -> bool:
    """Whether the text begins with "#redirect", or with that word of any other language before a link."""
    return _redirect().match(text.replace("İ", "i") if "İ" in text[:40] else text) is not None


def _number(text: str) -> int | None:
    """A whole number as an export writes it, None for anything else."""
    text = text.strip()
    digits = text.removeprefix("-")
    return int(text) if digits.isascii() and digits.isdigit() and len(digits) < 19 else None
