"""Articles of a live wiki, by title or by category, as an export file like those of the dumps.

What comes after need not know that there was no dump: the file is a multistream export of version 0.11.
"""

from __future__ import annotations

import gzip
import logging
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

from clip_pipeline.display.left_out import LeftOut
from clip_pipeline.errors import SettingsError, SourceError
from clip_pipeline.machine.progress import progress
from clip_pipeline.settings import WikipediaSettings
from clip_pipeline.sources.web.api_session import Hosts
from clip_pipeline.sources.wikimedia.api_client import Answer, MediaWikiClient
from clip_pipeline.sources.wikimedia.api_titles import MAX_CATEGORIES, TitlesAsked, category_titles, read_titles
from clip_pipeline.sources.wikimedia.export_file import file_name, write_export

logger = logging.getLogger(__name__)

TITLES_PER_QUERY = 50
"""The API's limit for clients without special rights."""
MAX_TITLES_CHARACTERS = 5000
"""Of the titles in one url, percent-encoded: servers refuse urls of more than 8,000."""
RAW_ANSWERS = "answers.jsonl.gz"


def download_articles(
    settings: WikipediaSettings,
    work: Path,
    folder: Path,
    hosts: Hosts,
    contact: str,
    max_categories: int = MAX_CATEGORIES,
) -> tuple[Path, TitlesAsked]:
    """Writes the newest revisions of the titles and of the category's members as one export file in `folder`.

    work: keeps the answers, so that a killed download goes on. Beside the export lies `answers.jsonl.gz`, the raw
    answers. The export's bytes depend on the pages alone, not on the order of the titles.
    Raises SettingsError without titles or category, InputError for a file of titles that cannot be read, and SourceError
    as `MediaWikiClient.ask` and where none of the titles is a page.
    """
    titles = read_titles(settings)
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
            titles += category_titles(client, settings, site, report, max_categories)
        titles = list(dict.fromkeys(titles))
        pages = _read_pages(client, titles, report)
    lost = LeftOut()
    for reason in ("missing", "invalid", "elsewhere", "not_wikitext"):
        names = getattr(report, reason)
        lost.add(f"title {reason}", len(names), first_names(names) if names else "")
    lost.say(settings.api)
    if not pages:
        raise SourceError(
            f"{settings.api} has none of the {report.asked:,} titles asked for ({first_names(titles) or 'the category is empty'}). "
            "Check wikipedia.titles and wikipedia.category, and that wikipedia.api is the right wiki."
        )
    path = folder / f"{file_name(site)}-latest-pages-articles-multistream.xml.bz2"
    write_export(path, site, pages.values())
    with (
        journal.open("rb") as raw,
        (folder / RAW_ANSWERS).open("wb") as target,
        gzip.GzipFile("", "wb", 6, target, mtime=0) as packed,
    ):
        shutil.copyfileobj(raw, packed)
    logger.info("%s: %s articles of %s titles", settings.api, f"{len(pages):,}", f"{report.asked:,}")
    return path, report


def first_names(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5:,} more" if len(names) > 5 else "")


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
