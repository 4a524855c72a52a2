"""Which articles of a live wiki are wanted: titles that the user lists, and the members of a category."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from clip_pipeline.errors import InputError, SourceError
from clip_pipeline.machine.progress import progress
from clip_pipeline.settings import WikipediaSettings
from clip_pipeline.sources.tables.text_files import lines_of, read_text
from clip_pipeline.sources.wikimedia.api_client import Answer, MediaWikiClient
from clip_pipeline.sources.wikimedia.export_file import CATEGORY_NAMESPACE, category_prefix

MAX_TITLE_BYTES = 255
MEMBERS_PER_QUERY = 500
MAX_CATEGORIES = 100_000


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


def read_titles(settings: WikipediaSettings) -> list[str]:
    path = titles_file(settings)
    if path is None:
        if settings.titles.endswith((".txt", ".csv", ".tsv")):
            raise InputError(f"There is no file {settings.titles} (wikipedia.titles). Give one with one title a line.")
        return [title for title in map(_tidy_title, settings.titles.split("|")) if title]
    lines = lines_of(read_text(path, InputError))
    titles = []
    for number, line in enumerate(lines, start=1):
        if "|" in line or len(_tidy_title(line).encode()) > MAX_TITLE_BYTES:
            raise InputError(
                f"Line {number} of {path} is no title (they hold no | and at most "
                f"{MAX_TITLE_BYTES} bytes). Write one title a line."
            )
        titles.append(_tidy_title(line))
    titles = [title for title in titles if title]
    if not titles:
        raise InputError(f"{path} (wikipedia.titles) holds no title. Write one title a line.")
    return titles


def _tidy_title(text: str) -> str:
    return " ".join(text.replace("_", " ").split())


def category_titles(
    client: MediaWikiClient,
    settings: WikipediaSettings,
    site: Answer,
    report: TitlesAsked,
    max_categories: int = MAX_CATEGORIES,
) -> list[str]:
    """Titles of the articles in the category, and in its subcategories as deep as the settings say, each read once.

    Raises SourceError as `MediaWikiClient.ask`, and for more than `max_categories` of them.
    """
    name = _tidy_title(settings.category)
    prefix = category_prefix(site)
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
            if len(seen) > max_categories:
                raise SourceError(
                    f"{name} has more than {max_categories:,} subcategories within {depth + 1} levels. "
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
