"""Articles of a live wiki, by title or by category, as an export file like those of the dumps.

What comes after need not know that there was no dump: the file is a multistream export of version 0.11.
"""

from __future__ import annotations

import bz2
import gzip
import html
import logging
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

from clip_pipeline.errors import InputError, SettingsError, SourceError
from clip_pipeline.machine.progress import progress
from clip_pipeline.settings import WikipediaSettings
from clip_pipeline.sources.web.api_session import Hosts
from clip_pipeline.sources.wikimedia.api_client import Answer, MediaWikiClient

logger = logging.getLogger(__name__)

TITLES_PER_QUERY = 50
"""The API's limit for clients without special rights."""
MAX_TITLES_CHARACTERS = 5000
"""Of the titles in one url, percent-encoded: servers refuse urls of more than 8,000."""
MAX_TITLE_BYTES = 255
MEMBERS_PER_QUERY = 500
MAX_CATEGORIES = 100_000
PAGES_PER_STREAM = 100
CATEGORY_NAMESPACE = 14
RAW_ANSWERS = "answers.jsonl.gz"
NO_XML_CHARACTER = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass
class TitlesAsked:
    """What became of the titles. missing, invalid, elsewhere (other wikis), not_wikitext: titles, in the order asked."""

    asked: int = 0
    articles: int = 0
    redirects: int = 0
    missing: list[str] = field(default_factory=list)
    invalid: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)
    not_wikitext: list[str] = field(default_factory=list)
    categories: int = 0

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def titles_file(settings: WikipediaSettings) -> Path | None:
    """The file that `wikipedia.titles` names, None where it holds the titles themselves or nothing."""
    text = settings.titles
    if not text or "|" in text or "\n" in text or len(text.encode()) > MAX_TITLE_BYTES:
        return None
    path = Path(text).expanduser()
    return path if path.is_file() else None


def download_articles(
    settings: WikipediaSettings, work: Path, folder: Path, hosts: Hosts, contact: str
) -> tuple[Path, TitlesAsked]:
    """Writes the newest revisions of the titles and of the category's members as one export file in `folder`.

    work: keeps the answers, so that a killed download goes on. Beside the export lies `answers.jsonl.gz`, the raw
    answers. The export's bytes depend on the pages alone, not on the order of the titles.
    Raises SettingsError without titles or category, InputError for a file of titles that cannot be read, and SourceError
    as `MediaWikiClient.ask` and where none of the titles is a page.
    """
    titles = _read_titles(settings)
    if not titles and not settings.category.strip():
        raise SettingsError(
            "wikipedia.dump is api, which needs wikipedia.titles (a file with one title a line, or titles separated "
            "by |) or wikipedia.category, such as Birds."
        )
    journal = work / "answers.jsonl"
    with MediaWikiClient(settings.api, journal, contact, hosts) as client:
        site = _read_site(client)
        report = TitlesAsked()
        if settings.category.strip():
            titles += _category_titles(client, settings, site, report)
        titles = list(dict.fromkeys(titles))
        pages = _read_pages(client, titles, report)
    for reason in ("missing", "invalid", "elsewhere", "not_wikitext"):
        names = getattr(report, reason)
        if names:
            logger.warning("%d titles are left out (%s): %s", len(names), reason, _first_names(names))
    if not pages:
        raise SourceError(
            f"{settings.api} has none of the {report.asked:,} titles asked for ({_first_names(titles) or 'the category is empty'}). "
            "Check wikipedia.titles and wikipedia.category, and that wikipedia.api is the right wiki."
        )
    path = folder / f"{_file_name(site)}-latest-pages-articles-multistream.xml.bz2"
    _write_export(path, site, pages.values())
    with (
        journal.open("rb") as raw,
        (folder / RAW_ANSWERS).open("wb") as target,
        gzip.GzipFile("", "wb", 6, target, mtime=0) as packed,
    ):
        shutil.copyfileobj(raw, packed)
    logger.info("%s: %s articles of %s titles", settings.api, f"{len(pages):,}", f"{report.asked:,}")
    return path, report


# ---- which titles


def _read_titles(settings: WikipediaSettings) -> list[str]:
    path = titles_file(settings)
    if path is None:
        if settings.titles.endswith((".txt", ".csv", ".tsv")):
            raise InputError(f"There is no file {settings.titles} (wikipedia.titles). Give one with one title a line.")
        return [title for title in map(_tidy_title, settings.titles.split("|")) if title]
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path} (wikipedia.titles) is no UTF-8 text ({error.reason} at byte {error.start:,}). "
            "Save it as UTF-8, one title a line."
        ) from error
    titles = []
    for number, line in enumerate(lines, start=1):
        if "|" in line or len(_tidy_title(line).encode()) > MAX_TITLE_BYTES:
            raise InputError(
                f'Line {number} of {path} reads "{line[:60]}", which is no title (they hold no | and at most '
                f"{MAX_TITLE_BYTES} bytes). Write one title a line."
            )
        titles.append(_tidy_title(line))
    titles = [title for title in titles if title]
    if not titles:
        raise InputError(f"{path} (wikipedia.titles) holds no title. Write one title a line.")
    return titles


def _tidy_title(text: str) -> str:
    return " ".join(text.replace("_", " ").split())


def _category_titles(
    client: MediaWikiClient, settings: WikipediaSettings, site: Answer, report: TitlesAsked
) -> list[str]:
    """Titles of the articles in the category, and in its subcategories as deep as the settings say, each read once."""
    name = _tidy_title(settings.category)
    prefix = _category_prefix(site)
    if ":" not in name or name.partition(":")[0].lower() not in {prefix.lower(), "category"}:
        name = f"{prefix}:{name}"
    level, seen, titles = [name], {name}, []
    with progress("Reading categories", unit="category") as bar:
        for depth in range(settings.category_depth + 1):
            further: list[str] = []
            for category in level:
                for member in _members(client, category, subcategories=depth < settings.category_depth):
                    if member.get("ns") != CATEGORY_NAMESPACE:
                        titles.append(str(member["title"]))
                    elif member["title"] not in seen:
                        seen.add(member["title"])
                        further.append(member["title"])
                bar.advance()
            report.categories += len(level)
            if len(seen) > MAX_CATEGORIES:
                raise SourceError(
                    f"{name} has more than {MAX_CATEGORIES:,} subcategories within {depth + 1} levels. "
                    "Set a smaller wikipedia.category_depth."
                )
            level = further
    return titles


def _members(client: MediaWikiClient, category: str, subcategories: bool) -> Iterator[Mapping[str, Any]]:
    namespaces = f"0|{CATEGORY_NAMESPACE}" if subcategories else "0"
    request = {
        "list": "categorymembers",
        "cmtitle": category,
        "cmnamespace": namespaces,
        "cmprop": "title",
        "cmlimit": str(MEMBERS_PER_QUERY),
    }
    for answer in client.query(request):
        for member in answer.get("query", {}).get("categorymembers", []):
            if member.get("ns") in (0, CATEGORY_NAMESPACE):
                yield member


# ---- their pages


def _read_site(client: MediaWikiClient) -> Answer:
    answer = client.ask({"action": "query", "meta": "siteinfo", "siprop": "general|namespaces"})
    site = answer.get("query", {})
    if not isinstance(site, dict) or "general" not in site or "namespaces" not in site:
        raise SourceError(
            f"{client.api} tells nothing of its site (siteinfo). Check that wikipedia.api is a MediaWiki API."
        )
    return site


def _read_pages(client: MediaWikiClient, titles: list[str], report: TitlesAsked) -> dict[int, dict[str, Any]]:
    """Pages by id, in the order of the ids: id, title, ns, revision id, timestamp, text."""
    pages: dict[int, dict[str, Any]] = {}
    report.asked = len(titles)
    with progress("Reading articles", total=len(titles), unit="title") as bar:
        for batch in _title_batches(titles):
            request = {
                "prop": "revisions",
                "rvprop": "ids|timestamp|content|contentmodel",
                "rvslots": "main",
                "redirects": "1",
                "titles": "|".join(batch),
            }
            found: dict[str, dict[str, Any]] = {}
            redirects: set[str] = set()
            for answer in client.query(request):
                _add_answer(answer.get("query", {}), found, redirects, report)
            report.redirects += len(redirects)
            for page in found.values():
                _judge_page(page, pages, report)
            bar.advance(len(batch))
    report.articles = len(pages)
    return dict(sorted(pages.items()))


def _title_batches(titles: list[str]) -> Iterator[list[str]]:
    """At most 50 titles, and no more than fit into a url."""
    batch: list[str] = []
    length = 0
    for title in titles:
        own_length = len(quote_plus(title)) + 3
        if batch and (len(batch) == TITLES_PER_QUERY or length + own_length > MAX_TITLES_CHARACTERS):
            yield batch
            batch, length = [], 0
        batch.append(title)
        length += own_length
    if batch:
        yield batch


def _add_answer(
    query: Mapping[str, Any], found: dict[str, dict[str, Any]], redirects: set[str], report: TitlesAsked
) -> None:
    """One answer of a continued query: a page stands in each of them, its text in one."""
    listed = query.get("pages", [])
    # Version 1 of the format, all that wikis before 1.25 know, has an object by page id here.
    for page in listed.values() if isinstance(listed, dict) else listed:
        found.setdefault(str(page.get("title")), {}).update(page)
    known = set(report.elsewhere)
    report.elsewhere += [entry["title"] for entry in query.get("interwiki", []) if entry["title"] not in known]
    redirects.update(entry["from"] for entry in query.get("redirects", []))


def _judge_page(page: Mapping[str, Any], pages: dict[int, dict[str, Any]], report: TitlesAsked) -> None:
    title = str(page.get("title"))
    if page.get("invalid", False) is not False:
        report.invalid.append(title)
        return
    if page.get("missing", False) is not False or not page.get("revisions"):
        report.missing.append(title)
        return
    revision = page["revisions"][0]
    slot = revision.get("slots", {}).get("main", revision)
    text = slot.get("content", slot.get("*"))
    if slot.get("contentmodel", "wikitext") != "wikitext" or not isinstance(text, str):
        report.not_wikitext.append(title)
        return
    pages[int(page["pageid"])] = {
        "id": int(page["pageid"]),
        "title": title,
        "ns": int(page.get("ns", 0)),
        "revision": int(revision.get("revid", 0)),
        "timestamp": str(revision.get("timestamp", "")),
        "text": text,
    }


# ---- the export file


def _write_export(path: Path, site: Answer, pages: Iterable[Mapping[str, Any]]) -> None:
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


def _category_prefix(site: Answer) -> str:
    return _namespace_name(_namespaces(site).get(CATEGORY_NAMESPACE, {})) or "Category"


def _file_name(site: Answer) -> str:
    """The wiki's database name where it is a plain word, as it becomes part of a file name."""
    name = str(site["general"].get("wikiid", ""))
    return name if name.isascii() and name.replace("_", "").isalnum() else "wiki"


def _first_names(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5:,} more" if len(names) > 5 else "")
