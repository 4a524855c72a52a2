"""Articles as a Wikimedia export file: multistream, version 0.11, as the dumps are."""

from __future__ import annotations

import bz2
import html
import re
from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from clip_pipeline.sources.wikimedia.api_client import Answer

PAGES_PER_STREAM = 100
CATEGORY_NAMESPACE = 14
NO_XML_CHARACTER = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_export(path: Path, site: Answer, pages: Iterable[Mapping[str, Any]]) -> None:
    """Streams of 100 pages, each bz2 of its own, as in Wikimedia's multistream dumps."""
    with path.open("wb") as file:
        file.write(bz2.compress(_head_xml(site).encode()))
        rest = iter(pages)
        while batch := list(islice(rest, PAGES_PER_STREAM)):
            xml = "".join(map(_page_xml, batch))
            file.write(bz2.compress(xml.encode()))
        file.write(bz2.compress(b"</mediawiki>\n"))


def _head_xml(site: Answer) -> str:
    general = site["general"]
    names = "".join(
        f'      <namespace key="{key}">{_escape(_namespace_name(entry))}</namespace>\n'
        for key, entry in sorted(_namespaces(site).items())
    )
    return (
        '<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/" version="0.11" '
        f'xml:lang="{_escape(str(general.get("lang", "")))}">\n  <siteinfo>\n'
        f"    <sitename>{_escape(str(general.get('sitename', '')))}</sitename>\n"
        f"    <dbname>{_escape(str(general.get('wikiid', '')))}</dbname>\n"
        f"    <namespaces>\n{names}    </namespaces>\n  </siteinfo>\n"
    )


def _page_xml(page: Mapping[str, Any]) -> str:
    return (
        f"  <page>\n    <title>{_escape(page['title'])}</title>\n    <ns>{page['ns']}</ns>\n    <id>{page['id']}</id>\n"
        f"    <revision>\n      <id>{page['revision']}</id>\n      <timestamp>{_escape(page['timestamp'])}</timestamp>\n"
        f"      <model>wikitext</model>\n      <format>text/x-wiki</format>\n"
        f'      <text xml:space="preserve">{_escape(page["text"])}</text>\n    </revision>\n  </page>\n'
    )


def _escape(text: str) -> str:
    """For XML, without the control characters that it cannot hold."""
    return html.escape(NO_XML_CHARACTER.sub("", text), quote=True)


def _namespaces(site: Answer) -> dict[int, Mapping[str, Any]]:
    listed = site["namespaces"]
    entries = listed.values() if isinstance(listed, dict) else listed
    return {int(entry["id"]): entry for entry in entries}


def _namespace_name(entry: Mapping[str, Any]) -> str:
    return str(entry.get("name", entry.get("*", "")))


def category_prefix(site: Answer) -> str:
    return _namespace_name(_namespaces(site).get(CATEGORY_NAMESPACE, {})) or "Category"


def file_name(site: Answer) -> str:
    """The wiki's database name where it is a plain word, as it becomes part of a file name."""
    name = str(site["general"].get("wikiid", ""))
    return name if name.isascii() and name.replace("_", "").isalnum() else "wiki"
