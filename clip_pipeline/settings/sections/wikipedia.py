"""The settings `wikipedia`: where the words come from."""

from __future__ import annotations

from dataclasses import dataclass

from clip_pipeline.settings.checked import CheckedSettings, setting


@dataclass(frozen=True)
class WikipediaSettings(CheckedSettings):
    """Where the words come from."""

    dump: str = setting(
        "sandbox",
        "A dump (.xml, .bz2, .xz, .gz; HTML as .jsonl, .ndjson, .tar.gz or .html): a file, a folder or a pattern. "
        "Or sandbox, mirror or api as below.",
    )
    mirror: str = setting("", "Base url of a Wikimedia dump mirror, used when dump is mirror.")
    wiki: str = setting("enwiki", "Database name of the wiki on the mirror, such as enwiki or simplewiki.")
    date: str = setting("latest", "Dump date on the mirror as YYYYMMDD, or latest.")
    parts: int = setting(4, "Parts that a multistream dump is cut into; each is one partition.", low=1, high=500)
    api: str = setting("https://en.wikipedia.org/w/api.php", "Address of the MediaWiki API, used when dump is api.")
    titles: str = setting("", "Articles read through the API: a file with one title a line, or titles separated by |.")
    category: str = setting("", "Category whose articles are read through the API, such as Birds.")
    category_depth: int = setting(0, "Levels of subcategories followed below the category.", low=0, high=10)
