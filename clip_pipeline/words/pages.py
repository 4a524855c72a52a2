"""The pages of a dump: XML in, one `Page` at a time out, in constant memory.

The parser is expat. It loads nothing from outside, and a dump has no document type, so one that declares entities is
refused before they could be expanded. It is the careful reader: counting finds most pages without it (`page_scan.py`)
and gives it the beginning of the document, every page that is written in an unusual way, and the end.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from xml.parsers import expat

from clip_pipeline.errors import DumpError

MAX_TEXT = 64_000_000
"""Characters. MediaWiki's own limit is 2 MiB an article."""

CANONICAL_NAMESPACES = {
    -2: "Media", -1: "Special", 1: "Talk", 2: "User", 3: "User talk", 4: "Project", 5: "Project talk", 6: "File",
    7: "File talk", 8: "MediaWiki", 9: "MediaWiki talk", 10: "Template", 11: "Template talk", 12: "Help",
    13: "Help talk", 14: "Category", 15: "Category talk",
}  # fmt: skip
"""Known to every wiki beside its own names."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page with the text of its newest revision, as wikitext (XML entities decoded, HTML entities not yet)."""

    id: int
    title: str
    namespace: int
    redirect: bool
    text: str


class ExportReader:
    """Reads an export document that arrives in pieces; any version of the export format, UTF-8 or UTF-16.

    Versions before 0.5 name no namespace, it is then looked up from the title's prefix.
    name: of the file, for errors. namespaces: the wiki's own names, where the head that lists them is not in the document.
    """

    def __init__(self, name: str, namespaces: dict[int, str] | None = None, last_title: str | None = None):
        self.name = name
        self.namespaces = dict(namespaces or CANONICAL_NAMESPACES)
        self.last_title = last_title
        self.encoding = "utf-8"
        self._namespace_keys: dict[str, int] = {}
        self._pages: list[Page] = []
        self._fed = 0
        self._page_end = -1
        self._depth = 0
        self._root_closed = False
        self._in_page = False
        self._pieces: list[str] = []
        self._length = 0
        self._fields: dict[str, str] = {}
        self._parser = expat.ParserCreate()
        self._parser.buffer_text = True
        self._parser.buffer_size = 1 << 20
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.StartDoctypeDeclHandler = self._refuse_doctype
        self._parser.XmlDeclHandler = self._read_encoding

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

    def _parse(self, data: bytes, final: bool) -> Iterator[Page]:
        error = None
        try:
            self._parser.Parse(data, final)
        except expat.ExpatError as found:
            error = found
        pages, self._pages = self._pages, []
        yield from pages
        if error is not None:
            raise DumpError(self._explain(error)) from error

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
        tag = tag.rpartition(":")[2]
        if self._depth == 1 and tag != "mediawiki":
            raise DumpError(f"{self.name} is XML but no MediaWiki export: its root is <{tag}>, expected <mediawiki>.")
        if self._depth == 2:
            self._in_page = tag == "page"
            self._fields = {}
        elif self._depth == 3 and self._in_page:
            if tag in ("title", "ns", "id"):
                self._capture()
            elif tag == "redirect":
                self._fields["redirect"] = "yes"
        elif self._depth == 4:
            if self._in_page and tag == "text":
                self._capture()
            elif tag == "namespace":
                self._fields["key"] = attributes.get("key", "")
                self._capture()

    def _capture(self) -> None:
        self._pieces = []
        self._length = 0
        self._parser.CharacterDataHandler = self._text

    def _text(self, piece: str) -> None:
        self._length += len(piece)
        if self._length > MAX_TEXT:
            raise DumpError(
                f"{self.name} holds a text of more than {MAX_TEXT:,} characters, which no wiki allows. {self.reached()} "
                "Download the dump again."
            )
        self._pieces.append(piece)

    def _end(self, tag: str) -> None:
        tag = tag.rpartition(":")[2]
        if self._parser.CharacterDataHandler is not None:
            self._parser.CharacterDataHandler = None
            text = "".join(self._pieces)
            if tag == "namespace" and not self._in_page:
                key = self._fields.get("key", "")
                if key.removeprefix("-").isdigit():
                    self.namespaces[int(key)] = text
            else:
                # A page with its history holds several texts; the last one is the newest.
                self._fields[tag] = text
        elif self._depth == 2 and self._in_page:
            self._pages.append(self._make_page())
            self.last_title = self._pages[-1].title
            self._page_end = self._parser.CurrentByteIndex + len("</page>")
        self._depth -= 1
        self._root_closed = self._depth == 0

    def _make_page(self) -> Page:
        fields = self._fields
        title = fields.get("title", "")
        text = fields.get("text", "")
        return Page(
            id=int(fields["id"]) if fields.get("id", "").strip().isdigit() else 0,
            title=title,
            namespace=int(fields["ns"]) if "ns" in fields else self._namespace_of(title),
            redirect="redirect" in fields or text[:20].lstrip()[:9].upper() == "#REDIRECT",
            text=text,
        )

    def _namespace_of(self, title: str) -> int:
        if not self._namespace_keys:
            names = CANONICAL_NAMESPACES | {key: name for key, name in self.namespaces.items() if name}
            self._namespace_keys = {name.lower(): key for key, name in CANONICAL_NAMESPACES.items()}
            self._namespace_keys |= {name.lower(): key for key, name in names.items()}
        prefix, colon, _ = title.partition(":")
        return self._namespace_keys.get(prefix.strip().lower(), 0) if colon else 0
