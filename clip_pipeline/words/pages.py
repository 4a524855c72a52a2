"""The pages of a dump: XML in, one `Page` at a time out, in constant memory.

The parser is expat. It loads nothing from outside, and a dump has no document type, so one that declares entities is
refused before they could be expanded.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO
from xml.parsers import expat

from clip_pipeline.errors import DumpError

READ_BYTES = 1 << 18
LONGEST_TEXT = 64_000_000
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


def iter_pages(stream: BinaryIO) -> Iterator[Page]:
    """The pages of an export document, in its order; any version of the export format, UTF-8 or UTF-16.

    stream: the decompressed XML. Versions before 0.5 name no namespace, it is then looked up from the title's prefix.
    Raises DumpError where the document is no XML, no MediaWiki export, damaged, or ends before its root element does.
    """
    reader = _ExportReader(getattr(stream, "name", "the dump"))
    yield from reader.read(stream)


def read_namespaces(stream: BinaryIO) -> dict[int, str]:
    """The wiki's own namespace names from the head of an export document, the canonical ones where it has no head."""
    reader = _ExportReader(getattr(stream, "name", "the dump"))
    for _ in reader.read(stream):
        break
    return reader.namespaces


class _ExportReader:
    def __init__(self, name: str):
        self.name = name
        self.namespaces = dict(CANONICAL_NAMESPACES)
        self._namespace_keys: dict[str, int] = {}
        self._pages: list[Page] = []
        self._last_title: str | None = None
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

    def read(self, stream: BinaryIO) -> Iterator[Page]:
        while True:
            try:
                data = stream.read(READ_BYTES)
            except DumpError as error:
                raise DumpError(f"{error} {self._reached()}") from error
            try:
                self._parser.Parse(data, not data)
            except expat.ExpatError as error:
                yield from self._take_pages()
                raise DumpError(self._explain(error)) from error
            yield from self._take_pages()
            if not data:
                return

    def _take_pages(self) -> list[Page]:
        pages, self._pages = self._pages, []
        return pages

    def _reached(self) -> str:
        if self._last_title is None:
            return "No whole page was read."
        return f'The last whole page read is "{self._last_title}".'

    def _explain(self, error: expat.ExpatError) -> str:
        cut = (
            expat.errors.codes[expat.errors.XML_ERROR_NO_ELEMENTS],
            expat.errors.codes[expat.errors.XML_ERROR_UNCLOSED_TOKEN],
        )
        if self._depth == 0 and not self._root_closed:
            return f"{self.name} is no XML ({error}), expected a MediaWiki export that begins with <mediawiki>. {self._reached()}"
        if error.code in cut:
            return (
                f"{self.name} is cut: the XML ends before </mediawiki>. {self._reached()} "
                "Download the rest of the dump, or check its size against the mirror's."
            )
        return f"{self.name} is damaged: the XML breaks off ({error}). {self._reached()} Download the dump again."

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
        if self._length > LONGEST_TEXT:
            raise DumpError(
                f"{self.name} holds a text of more than {LONGEST_TEXT:,} characters, which no wiki allows. {self._reached()} "
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
            self._last_title = self._pages[-1].title
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
