"""Articles as HTML: JSON lines of Wikimedia Enterprise or of the REST API, tars of them, and single HTML files.

A line is an object with `name`, `namespace.identifier` and `article_body.html`; the REST API's `title` and `html` are read
too, and the plain `text` of an article as WikiExtractor, Hugging Face's wikipedia and the search index (CirrusSearch) give it. Files may
be packed by gzip, bz2 or xz.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from clip_pipeline.errors import DumpError
from clip_pipeline.machine.bounded import parse_json
from clip_pipeline.machine.file_kinds import looks_like
from clip_pipeline.machine.progress import progress
from clip_pipeline.sources.tar_stream import TAR_ERRORS, read_member, tar_entries
from clip_pipeline.sources.wikimedia.compression import ByteStream, compression_of, decompressed, read_range
from clip_pipeline.sources.wikimedia.dump_files import DumpDescription, DumpPart

LINES_SUFFIXES = (".jsonl", ".ndjson", ".json")
TAR_SUFFIXES = (".tar", ".tgz")
PAGE_SUFFIXES = (".html", ".htm")
HTML_SUFFIXES = (*LINES_SUFFIXES, *TAR_SUFFIXES, *PAGE_SUFFIXES)
PACKED_SUFFIXES = (".gz", ".bz2", ".xz", ".lzma")
MAX_LINE_BYTES, MAX_TAGS = 64_000_000, 2_000_000
"""The longest articles have some 20 MB of HTML, to which Enterprise adds the wikitext; more is no line of a dump. A tag takes some
200 bytes of memory while an article is read."""
MIN_PART_BYTES = 1 << 16
MAX_TITLE_LETTERS = 1000
MAX_PAGE_BYTES = 30_000_000
LINES_OF_ANY_DUMP = 250_000
"""Beside one for every byte of it: packed line ends are no lines."""
MAX_ATTRIBUTES, LONG_TAG = 5000, 40_000
"""Of a tag, and the length from which they are counted: the parser compares each with each."""
LANGUAGE = re.compile(r"""<(?:html|body)\b[^>]*?\slang=["']?([A-Za-z-]{2,20})""")
MAX_HEAD = 20_000
QUOTED = re.compile(r"""=\s*(?:"[^"]*"|'[^']*')""")


@dataclass(frozen=True, slots=True)
class HtmlArticle:
    """One article. html: a whole document or its body; plain: whether it is the text itself instead. language: its code, "" where
    not told."""

    name: str
    namespace: int
    html: str
    language: str = ""
    plain: bool = False


def is_html_dump(path: Path) -> bool:
    """Whether the file's name is that of an HTML dump: .jsonl, .ndjson, .tar or .html, packed or not."""
    name = path.name.lower()
    for suffix in PACKED_SUFFIXES:
        name = name.removesuffix(suffix)
    return name.endswith(HTML_SUFFIXES)


def describe_html_dump(path: Path, parts: int, min_part_bytes: int = MIN_PART_BYTES) -> DumpDescription:
    """Reads a dump once (checksum) and cuts it into at most `parts` parts; only JSON lines that are not packed can be cut.

    Raises DumpError for a missing, empty or cut file and for one whose beginning is neither JSON nor HTML.
    """
    path = Path(path)
    compression = compression_of(path)
    size = path.stat().st_size
    whole = DumpPart("part-000", 0, size)
    next(iter_html_articles(path, whole), None)
    sha256 = hashlib.sha256()
    with progress(f"Reading {path.name}", total=size, unit="byte") as bar:
        for chunk in read_range(path, 0, size):
            sha256.update(chunk)
            bar.advance(len(chunk))
    date = re.search(r"[-_](\d{8}|latest)[-_.]", path.name)
    cuttable = compression == "none" and path.name.lower().endswith(LINES_SUFFIXES)
    return DumpDescription(
        name=path.name,
        date=date.group(1) if date else "",
        size=size,
        sha256=sha256.hexdigest(),
        compression=compression,
        parts=_cut_evenly(whole, min(parts, size // min_part_bytes)) if cuttable else [whole],
    )


def iter_html_articles(path: Path, part: DumpPart) -> Iterator[HtmlArticle]:
    """The articles of one part, in constant memory. A line belongs to the part in which it begins.

    Raises DumpError, with the number of the line or the name of the member, for what is no JSON or is cut.
    """
    path = Path(path)
    name = path.name.lower()
    for suffix in PACKED_SUFFIXES:
        name = name.removesuffix(suffix)
    if name.endswith(TAR_SUFFIXES):
        yield from _articles_of_tar(path)
    elif name.endswith(PAGE_SUFFIXES):
        yield _article_of_page(_open_range(path, 0, path.stat().st_size), Path(name).stem, path.name)
    elif part.start == 0:
        yield from _articles_of_lines(_open_range(path, 0, path.stat().st_size), path.name, part.end)
    else:
        # One byte earlier: a line that begins exactly at the part's start must not be taken for the rest of another.
        stream = _open_range(path, part.start - 1, path.stat().st_size)
        skipped = len(stream.readline())
        first = part.start - 1 + skipped
        yield from _articles_of_lines(stream, f"{path.name} from byte {first:,}", part.end - first)


def _open_range(path: Path, start: int, end: int) -> io.BufferedReader:
    pieces = decompressed(read_range(path, start, end), compression_of(path), path.name)
    return io.BufferedReader(ByteStream(pieces, path.name), 1 << 18)


def _articles_of_lines(stream: BinaryIO, name: str, end: int | None) -> Iterator[HtmlArticle]:
    """end: lines that begin at or after so many bytes are another part's; None reads all."""
    place = number = 0
    most = LINES_OF_ANY_DUMP + (end or 0)
    compressed = name.lower().endswith(PACKED_SUFFIXES)
    while end is None or compressed or place < end:
        line = stream.readline(MAX_LINE_BYTES)
        if not line:
            return
        number += 1
        place += len(line)
        if number > most:
            raise DumpError(f"{name} has more than {most:,} lines, which no dump of its size has. Get it again.")
        if len(line) >= MAX_LINE_BYTES:
            raise DumpError(f"Line {number:,} of {name} is longer than {MAX_LINE_BYTES:,} bytes, expected one article.")
        article = _article_of_line(line, number, name) if line.strip() else None
        if article is not None:
            yield article


def _article_of_line(line: bytes, number: int, name: str) -> HtmlArticle | None:
    """None for the lines of a search index that only say where the next line goes."""
    try:
        record = parse_json(line, MAX_LINE_BYTES)
    except ValueError as error:
        cut = not line.endswith(b"\n")
        raise DumpError(
            f"{name} is cut: its last line, {number:,}, is half a JSON object. Download the rest of it."
            if cut and line.lstrip().startswith(b"{")
            else f"Line {number:,} of {name} is no JSON ({error}), expected one article a line as an object. "
            "Give an HTML dump of Wikimedia Enterprise (.ndjson, .jsonl), or an XML dump under its own name."
        ) from error
    if not isinstance(record, dict):
        raise DumpError(
            f"Line {number:,} of {name} holds {type(record).__name__}, expected an object with article_body.html."
        )
    body = record.get("article_body")
    html = body.get("html") if isinstance(body, dict) else record.get("html")
    title = str(record.get("name", record.get("title", "")))[:MAX_TITLE_LETTERS]
    text = record.get("text")
    if not isinstance(html, str) and isinstance(text, str):
        return HtmlArticle(title, _namespace(record), text, _language(record), plain=True)
    if list(record) == ["index"]:
        return None
    if not isinstance(html, str):
        raise DumpError(
            f"Line {number:,} of {name} has no article: its keys are {', '.join(sorted(record)[:8])}, expected "
            "article_body.html (Wikimedia Enterprise), html or text."
        )
    return HtmlArticle(
        title, _namespace(record), _with_few_tags(html, f"Line {number:,} of {name}"), _language(record, html)
    )


def _with_few_tags(html: str, what: str) -> str:
    if html.count("<") > MAX_TAGS:
        raise DumpError(f"{what} is an article of more than {MAX_TAGS:,} tags, which no wiki has. Get the dump again.")
    long_tags = (tag for piece in html.split("<") if len(tag := piece.partition(">")[0]) > LONG_TAG)
    if any(len(QUOTED.sub("", tag).split()) > MAX_ATTRIBUTES for tag in long_tags):
        raise DumpError(
            f"{what} has a tag with more than {MAX_ATTRIBUTES:,} attributes, which no wiki has. Get the dump again."
        )
    return html


def _namespace(record: dict[str, Any]) -> int:
    value = record.get("namespace", 0)
    if isinstance(value, dict):
        value = value.get("identifier", 0)
    return value if isinstance(value, int) else 0


def _language(record: dict[str, Any], html: str = "") -> str:
    """Of a line by its own word (Enterprise's in_language, the search index's language), else of the document."""
    told = record.get("in_language") or record.get("language") or record.get("lang")
    told = told.get("identifier") if isinstance(told, dict) else told
    return told if isinstance(told, str) else language_of(html)


def language_of(html: str) -> str:
    """The code that a document says it is written in, "" where it does not."""
    found = LANGUAGE.search(html[:MAX_HEAD])
    return found[1] if found else ""


def _articles_of_tar(path: Path) -> Iterator[HtmlArticle]:
    """The members in their order, read as a stream."""
    stream = _open_range(path, 0, path.stat().st_size)
    found = False
    try:
        packed_bytes = None if compression_of(path) == "none" else path.stat().st_size
        with tar_entries(stream, packed_bytes) as (archive, members):
            for member in members:
                content = archive.extractfile(member) if member.isfile() else None
                name = f"{path.name}:{member.name}"
                if content is None or Path(member.name).name.startswith("."):
                    continue
                if member.name.lower().endswith(LINES_SUFFIXES):
                    found = True
                    yield from _articles_of_lines(content, name, None)  # type: ignore[arg-type]
                elif member.name.lower().endswith(PAGE_SUFFIXES):
                    found = True
                    yield _article_of_page(content, Path(member.name).stem, name)  # type: ignore[arg-type]
    except TAR_ERRORS as error:
        raise DumpError(f"{path.name} is cut or no tar ({error}). Download it again.") from error
    if not found:
        raise DumpError(f"{path.name} holds no .ndjson, .jsonl or .html file, expected a tar of HTML articles.")


def _article_of_page(stream: BinaryIO, title: str, name: str) -> HtmlArticle:
    content = read_member(stream, MAX_PAGE_BYTES + 1)
    if len(content) > MAX_PAGE_BYTES or content.count(b"\0") > 0.6 * len(content):
        raise DumpError(
            f"{name} is no HTML of an article: it has more than {MAX_PAGE_BYTES:,} bytes, or is made of zeros. Give one article."
        )
    if b"<" not in content[:4096]:
        raise DumpError(f"{name} is no HTML, it looks like {looks_like(content[:64])}. Give the HTML of an article.")
    from bs4 import UnicodeDammit

    # A saved page says in itself how its letters are written, not always in UTF-8.
    html = UnicodeDammit(content, is_html=True).unicode_markup
    html = _with_few_tags(html or content.decode("utf-8", "replace"), name)
    return HtmlArticle(title.replace("_", " "), 0, html, language_of(html))


def _cut_evenly(whole: DumpPart, parts: int) -> list[DumpPart]:
    edges = [whole.end * number // max(parts, 1) for number in range(max(parts, 1) + 1)]
    return [
        DumpPart(f"part-{number:03}", start, end)
        for number, (start, end) in enumerate(zip(edges, edges[1:], strict=False))
    ]
