"""Small dumps written by hand for tests."""

from __future__ import annotations

import bz2
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from xml.sax.saxutils import escape

import pyarrow as pa

from clip_pipeline.sources.wikimedia.dump_files import check_dump
from clip_pipeline.words.count import CountLimits, count_part
from clip_pipeline.words.pages import ExportReader, Page
from clip_pipeline.words.sorted_runs import merge_counts

HEAD = """<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/" version="0.11" xml:lang="en">
  <siteinfo>
    <sitename>Wikipedia</sitename>
    <dbname>enwiki</dbname>
    <namespaces>
      <namespace key="-1" case="first-letter">Special</namespace>
      <namespace key="0" case="first-letter" />
      <namespace key="1" case="first-letter">Talk</namespace>
      <namespace key="6" case="first-letter">File</namespace>
      <namespace key="14" case="first-letter">Category</namespace>
    </namespaces>
  </siteinfo>
"""
FOOT = "</mediawiki>\n"


def page_xml(title: str, text: str, page_id: int = 1, namespace: int = 0, redirect: str = "") -> str:
    redirect_xml = f'    <redirect title="{redirect}" />\n' if redirect else ""
    return (
        f"  <page>\n    <title>{escape(title)}</title>\n    <ns>{namespace}</ns>\n    <id>{page_id}</id>\n{redirect_xml}"
        f"    <revision>\n      <id>{page_id + 1000}</id>\n"
        f"      <contributor><username>Ann</username><id>7</id></contributor>\n      <comment>typo</comment>\n"
        f'      <text bytes="{len(text)}" xml:space="preserve">{escape(text)}</text>\n'
        f"      <sha1>abc</sha1>\n    </revision>\n  </page>\n"
    )


def dump_xml(*pages: str) -> str:
    return HEAD + "".join(pages) + FOOT


def read_pages(pieces: Iterable[bytes]) -> Iterator[Page]:
    """All pages of a document, read carefully."""
    reader = ExportReader("the dump")
    for piece in pieces:
        yield from reader.feed(piece)
    yield from reader.close()


def count_dumps(
    paths: Sequence[Path], workers: int = 1, rules: str = "plain", limits: CountLimits | None = None
) -> pa.Table:
    """WORD_COUNTS of whole dumps, counted together."""
    with tempfile.TemporaryDirectory() as folder:
        runs = [Path(folder, f"{number}.parquet") for number in range(len(paths))]
        for path, run in zip(paths, runs, strict=True):
            count_part(path, check_dump(path), run, workers=workers, rules=rules, limits=limits)
        limits = limits or CountLimits()
        return merge_counts(runs, max_rows=limits.max_rows, min_rows=limits.min_rows).table


def write_multistream(path: Path, streams: list[list[str]], index: bool = True) -> list[int]:
    """A multistream dump with its index beside it; returns the offset of each stream of pages."""
    content = bz2.compress(HEAD.encode())
    offsets, lines = [], []
    for number, pages in enumerate(streams):
        offsets.append(len(content))
        lines += [f"{len(content)}:{number * 100 + place}:Title: {place}" for place in range(len(pages))]
        content += bz2.compress("".join(pages).encode())
    content += bz2.compress(FOOT.encode())
    path.write_bytes(content)
    if index:
        name = path.name.replace("-multistream.xml.bz2", "-multistream-index.txt.bz2")
        path.with_name(name).write_bytes(bz2.compress("".join(f"{line}\n" for line in lines).encode()))
    return offsets
