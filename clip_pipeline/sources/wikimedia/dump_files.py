"""A Wikipedia dump as a file: what it is, and how it is cut into parts that are read independently.

A multistream dump is many bz2 streams of about 100 pages one after the other, so a range of streams is a part. The
streams are found by their first bytes; an index beside the dump is not needed, and where there is one it must agree.
A file of one stream (or of streams cut anywhere, as pbzip2 writes them) is a single part.

The download from a mirror is in `wikipedia.py`.
"""

from __future__ import annotations

import bisect
import dataclasses
import hashlib
import io
import itertools
import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clip_pipeline.errors import DumpError
from clip_pipeline.machine.file_kinds import looks_like
from clip_pipeline.machine.progress import progress
from clip_pipeline.sources.wikimedia.compression import ByteStream, compression_of, decompressed, read_range

logger = logging.getLogger(__name__)

STREAM_START = re.compile(rb"BZh[1-9]1AY&SY")
STREAM_START_BYTES = 10
FIRST_PAGE = re.compile(rb"\s*<page[\s>]")
TRIES_PER_CUT = 3


@dataclass(frozen=True)
class DumpPart:
    """The bytes [start, end) of a dump file: whole streams, or the whole file. `key` is "part-000", "part-001", ..."""

    key: str
    start: int
    end: int

    def as_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> DumpPart:
        """The part of an `as_json` record; other keys are left alone."""
        return cls(key=record["key"], start=record["start"], end=record["end"])


@dataclass(frozen=True)
class DumpDescription:
    """What a dump file is. `date` is YYYYMMDD or "latest" from its name, "" where the name tells none; `size` is bytes."""

    name: str
    date: str
    size: int
    sha256: str
    compression: str
    parts: list[DumpPart]

    def as_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


def require_dump_file(path: Path) -> Path:
    """The path, where a dump of a readable kind is; raises DumpError where it is missing, a folder, empty or a 7z file."""
    compression_of(path)
    return path


def describe_dump(path: Path, parts: int) -> DumpDescription:
    """Reads a dump once (checksum, streams) and cuts it into at most `parts` parts of about equal size.

    Raises DumpError for a missing, empty or 7z file, for one that is no XML, for a multistream dump that is shorter
    than its index says, and for an index that belongs to another dump.
    """
    path = Path(path)
    compression = compression_of(path)
    size = path.stat().st_size
    check_beginning(path, compression, size)
    sha256 = hashlib.sha256()
    with progress(f"Reading {path.name}", total=size, unit="byte") as bar:

        def chunks() -> Iterator[bytes]:
            for chunk in read_range(path, 0, size):
                sha256.update(chunk)
                bar.advance(len(chunk))
                yield chunk

        starts = _find_stream_starts(chunks(), 0)
    if compression != "bz2":
        starts = []
    else:
        _check_against_index(path, starts, size)
    date = re.search(r"-(\d{8}|latest)-", path.name)
    description = DumpDescription(
        name=path.name,
        date=date.group(1) if date else "",
        size=size,
        sha256=sha256.hexdigest(),
        compression=compression,
        parts=_cut_at_pages(path, starts, DumpPart("part-000", 0, size), parts),
    )
    logger.info("%s: %s bytes, %s streams, %d parts", path.name, f"{size:,}", len(starts) or 1, len(description.parts))
    return description


def check_dump(path: Path) -> DumpPart:
    """The whole dump as one part, after a look at its beginning, and at its index where it has one.

    Raises DumpError as `describe_dump`, which reads the whole file for its checksum; this does not.
    """
    path = Path(path)
    compression = compression_of(path)
    size = path.stat().st_size
    check_beginning(path, compression, size)
    if compression == "bz2" and _find_index(path) is not None:
        _check_against_index(path, _find_stream_starts(read_range(path, 0, size), 0), size)
    return DumpPart("part-000", 0, size)


def split_part(path: Path, part: DumpPart, pieces: int) -> list[DumpPart]:
    """The part as at most `pieces` smaller ones, so that several processes can read it; [part] where it has one stream."""
    path = Path(path)
    if pieces < 2 or compression_of(path) != "bz2":
        return [part]
    starts = _find_stream_starts(read_range(path, part.start, part.end), part.start)
    return _cut_at_pages(path, starts, part, pieces)


def part_pieces(path: Path, part: DumpPart) -> Iterator[bytes]:
    """The decompressed XML of a part in pieces, as a complete document: one from the middle gets a root element of its own.

    The end of the last part is the file's own, so that a dump which was cut between two streams is noticed.
    Raises DumpError, while reading, where the compressed data is cut or damaged.
    """
    path = Path(path)
    compression = compression_of(path)
    size = path.stat().st_size
    if part.end > size:
        raise DumpError(
            f"{path.name} has {size:,} bytes, {part.key} needs {part.end:,}. Materialise wikipedia_dump again."
        )
    pieces = decompressed(read_range(path, part.start, part.end), compression, path.name)
    before = [b"<mediawiki>"] if part.start > 0 else []
    after = [b"</mediawiki>"] if part.end < size else []
    return itertools.chain(before, pieces, after)


def check_beginning(path: Path, compression: str, size: int) -> None:
    """Raises DumpError for a file whose first bytes, unpacked, are no XML."""
    beginning = b""
    for piece in decompressed(read_range(path, 0, size), compression, path.name):
        beginning += piece
        if len(beginning) >= 64:
            break
    text = beginning[:4096]
    if b"\0" in text[:4]:  # UTF-16, with its byte order mark or without
        text = text.removeprefix(b"\xff\xfe").removeprefix(b"\xfe\xff").replace(b"\0", b"")
    text = text.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not text:
        raise DumpError(f"{path.name} holds nothing, expected a Wikipedia dump. Download it again.")
    if not text.startswith(b"<"):
        raise DumpError(
            f"{path.name} is no XML, it looks like {looks_like(text[:64])}; expected <mediawiki>. "
            "Give a pages-articles dump (.xml, .bz2, .xz, .lzma or .gz)."
        )


def _find_stream_starts(chunks: Iterator[bytes], offset: int) -> list[int]:
    """Offsets of the bz2 streams in consecutive chunks that begin at `offset` of the file."""
    starts = []
    carried = b""
    for chunk in chunks:
        window = carried + chunk
        window_offset = offset - len(carried)
        starts += [window_offset + match.start() for match in STREAM_START.finditer(window)]
        offset += len(chunk)
        # One byte less than a whole start: a start that spans two chunks is found once.
        carried = window[-(STREAM_START_BYTES - 1) :]
    return starts


def _cut_at_pages(path: Path, starts: list[int], whole: DumpPart, parts: int) -> list[DumpPart]:
    """`whole` cut at those stream starts nearest after equal shares of its bytes where a page begins."""
    cuts = [whole.start]
    # The first stream of a file holds no pages but the description of the site: no part of its own.
    lowest = starts[1] if whole.start == 0 and len(starts) > 1 else whole.start
    for share in range(1, parts):
        wanted = whole.start + (whole.end - whole.start) * share // parts
        first = max(bisect.bisect_left(starts, wanted), bisect.bisect_right(starts, max(lowest, cuts[-1])))
        for start in starts[first : first + TRIES_PER_CUT]:
            if _begins_with_page(path, start, whole.end):
                cuts.append(start)
                break
    cuts.append(whole.end)
    pairs = list(itertools.pairwise(cuts))
    if len(pairs) == 1:
        return [whole]
    return [DumpPart(f"part-{number:03}", start, end) for number, (start, end) in enumerate(pairs)]


def _begins_with_page(path: Path, start: int, end: int) -> bool:
    try:
        beginning = next(decompressed(read_range(path, start, end), "bz2", path.name), b"")
    except DumpError:
        return False
    return FIRST_PAGE.match(beginning) is not None


def _check_against_index(path: Path, starts: list[int], size: int) -> None:
    index = _find_index(path)
    if index is None:
        return
    known = set(starts)
    pages = 0
    last_offset = -1
    for offset in _index_offsets(index):
        pages += 1
        if offset == last_offset:
            continue
        last_offset = offset
        if offset >= size:
            raise DumpError(
                f"{path.name} is cut: it has {size:,} bytes, its index {index.name} names a stream at {offset:,}. "
                "Download the rest of it."
            )
        if offset not in known:
            raise DumpError(
                f"The index {index.name} names a stream at byte {offset:,}, where {path.name} has none: they belong to "
                "different dumps. Remove the index, or download both again."
            )
    logger.info("%s lists %s pages and agrees with the dump", index.name, f"{pages:,}")


def _find_index(path: Path) -> Path | None:
    """The index beside the dump: X-multistream.xml.bz2 has X-multistream-index.txt.bz2, parts carry the page range too."""
    found = re.fullmatch(r"(.*-multistream\d*)\.xml(-p\d+p\d+)?\.bz2", path.name)
    if not found:
        return None
    name, pages = found.group(1), found.group(2) or ""
    numbered = re.sub(r"-multistream(\d*)$", r"-multistream-index\1", name)
    for candidate in (f"{numbered}.txt{pages}.bz2", f"{numbered}.txt{pages}", f"{numbered}.txt{pages}.gz"):
        index = path.with_name(candidate)
        if index.is_file():
            return index
    return None


def _index_offsets(index: Path) -> Iterator[int]:
    """The offset of each line `offset:page_id:title`."""
    compression = compression_of(index)
    pieces = decompressed(read_range(index, 0, index.stat().st_size), compression, index.name)
    for number, line in enumerate(io.BufferedReader(ByteStream(pieces, index.name), 1 << 16), start=1):
        offset, _, rest = line.partition(b":")
        if not offset.isdigit() or not rest:
            raise DumpError(
                f"{index.name} is no multistream index: line {number:,} is not offset:page_id:title. "
                "Download it again, or remove it; the dump is read without it too."
            )
        yield int(offset)
