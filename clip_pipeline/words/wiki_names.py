"""What a wiki calls its namespaces and the options of its pictures: from the head of its dump, and from MediaWiki's message files.

The names of all languages are in `wiki_names.json`, which `docs/wiki_names.py` writes. A wiki knows those of its own language, of
the languages that stand in for it, and the English ones; those of its dump's head come first.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clip_pipeline.words.wikitext.link_kinds import CATEGORY, IMAGE, SOUND

CANONICAL_NAMESPACES = {
    -2: "Media", -1: "Special", 1: "Talk", 2: "User", 3: "User talk", 4: "Project", 5: "Project talk", 6: "File",
    7: "File talk", 8: "MediaWiki", 9: "MediaWiki talk", 10: "Template", 11: "Template talk", 12: "Help",
    13: "Help talk", 14: "Category", 15: "Category talk",
}  # fmt: skip
"""Known to every wiki beside its own names."""
LABEL_LESS = {-2: SOUND, 6: IMAGE, 14: CATEGORY}
ENGLISH_LINK_NAMES = {"File": IMAGE, "Image": IMAGE, "Media": SOUND, "Category": CATEGORY}
OTHER_NAMES_OF_CODES = {
    "simple": "en",
    "als": "gsw",
    "no": "nb",
    "zh-yue": "yue",
    "zh-classical": "lzh",
    "zh-min-nan": "nan",
}
"""Codes of wikis beside those of their languages."""

LANGUAGES_WITH_VARIANTS = frozenset(
    ("ban", "crh", "gan", "ike", "iu", "kk", "ku", "mni", "sh", "shi", "sr", "tg", "tly", "uz", "wuu", "zgh", "zh")
)
"""Languages whose pages MediaWiki converts between scripts or regions; elsewhere -{ is text, as in names of chemistry."""


@dataclass(frozen=True)
class Site:
    """One wiki, as the head of its dump describes it. namespaces: their names by number; language: its code, "" where not told."""

    namespaces: Mapping[int, str] = field(default_factory=lambda: dict(CANONICAL_NAMESPACES))
    language: str = ""


@functools.cache
def all_names() -> dict[str, Any]:
    """The content of `wiki_names.json`."""
    return json.loads(Path(__file__).with_name("wiki_names.json").read_text(encoding="utf-8"))


def languages_of(site: Site) -> list[str]:
    """The wiki's language, its variants and those that stand in for it, without English; told by the names of its namespaces where
    its dump does not say."""
    languages = all_names()["languages"]
    code = site.language.lower().replace("_", "-")
    code = OTHER_NAMES_OF_CODES.get(code, code)
    if code and code not in languages:
        code = code.partition("-")[0]
    found = [code] if code in languages else _languages_with_names(site)
    for one in found:  # grows
        variants = [other for other in languages if other.startswith(f"{one}-")]
        found += [
            other
            for other in (*variants, *languages[one].get("fallback", []))
            if other not in found and other in languages
        ]
    return [one for one in found if one != "en"]


def _languages_with_names(site: Site) -> list[str]:
    own = {key: site.namespaces.get(key, "") for key in (6, 10, 14)}
    if any(name in ("", CANONICAL_NAMESPACES[key]) for key, name in own.items()):
        return []
    languages = all_names()["languages"]
    return [
        code
        for code, names in languages.items()
        if all(name in names.get("namespaces", {}).get(str(key), []) for key, name in own.items())
    ]


def link_names(site: Site) -> dict[str, int]:
    """The names of files, media files and categories, in English and as the wiki calls and called them."""
    names = {site.namespaces[key]: kind for key, kind in LABEL_LESS.items() if site.namespaces.get(key)}
    for code in languages_of(site):
        of_language = all_names()["languages"][code].get("namespaces", {})
        names |= {name: kind for key, kind in LABEL_LESS.items() for name in of_language.get(str(key), [])}
    return ENGLISH_LINK_NAMES | names


def namespace_keys(site: Site) -> dict[str, int]:
    """The number of a namespace by each of its names in lower case: for exports that tell the namespace by the title alone."""
    keys: dict[str, int] = {}
    for code in languages_of(site):
        of_language = all_names()["languages"][code].get("namespaces", {})
        keys |= {name.lower(): int(key) for key, names in of_language.items() for name in names}
    keys |= {name.lower(): key for key, name in CANONICAL_NAMESPACES.items()} | {"image": 6, "image talk": 7}
    return keys | {name.lower(): key for key, name in site.namespaces.items() if name}


def image_options(site: Site) -> tuple[str, ...]:
    """The options of pictures, in which # stands for a number and $ for anything."""
    languages = all_names()["languages"]
    return tuple(
        dict.fromkeys(option for code in ("en", *languages_of(site)) for option in languages[code].get("options", []))
    )


def has_variants(site: Site) -> bool:
    """Whether the wiki's pages may hold language variants; also where its language is not known."""
    return not site.language or site.language.lower().replace("_", "-").partition("-")[0] in LANGUAGES_WITH_VARIANTS
