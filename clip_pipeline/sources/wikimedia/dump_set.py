"""The files that make up a dump: one file, several, a folder of them, or those that a pattern such as dumps/*.bz2 names."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from clip_pipeline.errors import DumpError
from clip_pipeline.sources.wikimedia.compression import compression_of
from clip_pipeline.sources.wikimedia.dump_files import (
    DumpDescription,
    DumpPart,
    check_beginning,
    describe_dump,
    require_dump_file,
)
from clip_pipeline.sources.wikimedia.html_dumps import (
    HTML_SUFFIXES,
    describe_html_dump,
    is_html_dump,
    iter_html_articles,
)

logger = logging.getLogger(__name__)

DUMP_SUFFIXES = (".xml", ".bz2", ".xz", ".lzma", ".gz", ".7z", *HTML_SUFFIXES)
PATTERN_CHARACTERS = re.compile(r"[*?\[]")
NOT_A_DUMP = re.compile(
    r"-index\d*\.txt|\.(?:part|txt|json|md5|sha1)$|sums\.txt|\.sql(?:\.|$)|-rss\.xml$|-abstract\d*\.xml|-stub-|-all-titles|-titles|"
    r"-site_?info-|siteinfo-namespaces|-langlinks|-logging|-pagelogs|-pages-logging|status\.html$"
)
FORMS = ("pages-articles-multistream", "pages-articles", "pages-meta-current", "pages-meta-history")
"""Dumps of the same pages, the one that is read first. Of a name such as enwiki-20260101-pages-articles1.xml-p1p41242.bz2 the parts before
and after the form tell whether two are of the same wiki, date and pages."""
FORM = re.compile(rf"^(.*?)[-_]?({'|'.join(FORMS)})(\d*)(?=[.-])", re.IGNORECASE)


@dataclass(frozen=True)
class FileDescription:
    """One file of a dump; its parts have keys that are unique in the whole dump."""

    path: Path
    description: DumpDescription


def find_dump_files(place: str) -> list[Path]:
    """The files of a dump in the order of their numbers: `place` is a file, a folder or a pattern.

    In a folder, indexes, checksums and unfinished downloads are passed over. Raises DumpError where there is none, where
    a file is empty or packed in a way that is not read, and where two files have the same name.
    """
    path = Path(place).expanduser()
    if path.is_dir():
        found = [file for file in path.iterdir() if file.is_file() and _is_dump_name(file.name)]
        missing = f"{path} holds no dump file (.xml, .bz2, .xz, .gz, .jsonl, .ndjson). Put the dump's files there."
    elif not path.exists() and PATTERN_CHARACTERS.search(place):
        root = Path(path.anchor)
        pattern = str(path.relative_to(root))
        found = [file for file in root.glob(pattern) if file.is_file() and _is_dump_name(file.name)]
        missing = f"No dump file is named like {place}. Check the pattern (wikipedia.dump)."
    else:
        return [require_dump_file(path)]
    if not found:
        raise DumpError(missing)
    found = _one_form_of_each(found)
    names = [file.name for file in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DumpError(f"Two files of {place} are named {twice[0]}. Give each file of a dump a name of its own.")
    return [require_dump_file(file) for file in sorted(found, key=_natural_order)]


def check_dump_files(place: str) -> None:
    """Looks at the beginning of each file of a dump, before long work. Raises DumpError as `find_dump_files`, and for what is no dump."""
    for path in find_dump_files(place):
        size = path.stat().st_size
        if is_html_dump(path):
            next(iter_html_articles(path, DumpPart("part-000", 0, size)), None)
        else:
            check_beginning(path, compression_of(path), size)


def describe_dump_set(paths: Sequence[Path], parts: int) -> list[FileDescription]:
    """Describes each file and cuts all of them into about `parts` parts, at least one a file, in proportion to their sizes.

    Raises DumpError as `describe_dump` and `describe_html_dump`.
    """
    described = []
    number = 0
    for path, share in zip(paths, _shares([path.stat().st_size for path in paths], parts), strict=True):
        description = (describe_html_dump if is_html_dump(path) else describe_dump)(path, share)
        numbered = [replace(part, key=f"part-{number + place:03}") for place, part in enumerate(description.parts)]
        number += len(numbered)
        described.append(FileDescription(path, replace(description, parts=numbered)))
    return described


def _is_dump_name(name: str) -> bool:
    return name.lower().endswith(DUMP_SUFFIXES) and not NOT_A_DUMP.search(name.lower())


def _one_form_of_each(files: list[Path]) -> list[Path]:
    """Of the same wiki and date only one form (FORMS), so that no page counts twice; says which files are left aside."""
    best: dict[tuple[Path, str], tuple[int, bool]] = {}
    form_of: dict[Path, tuple[tuple[Path, str], tuple[int, bool]]] = {}
    for file in files:
        match = FORM.match(file.name)
        if match:
            form_of[file] = (file.parent, match[1].lower()), (FORMS.index(match[2].lower()), bool(match[3]))
            wiki, form = form_of[file]
            best[wiki] = min(best.get(wiki, form), form)
    kept = [file for file in files if file not in form_of or form_of[file][1] == best[form_of[file][0]]]
    aside = sorted(file.name for file in files if file not in kept)
    if aside:
        logger.warning(
            "%d files hold pages that others of the same wiki and date hold as well, and are left aside: %s. Name a file to have it read.",
            len(aside),
            ", ".join(aside[:3]) + (", ..." if len(aside) > 3 else ""),
        )
    return kept


def _natural_order(path: Path) -> list[tuple[int, int | str]]:
    """multistream2 before multistream10."""
    pieces = re.findall(r"\d+|\D+", path.name)
    return [(0, int(piece)) if piece.isdigit() else (1, piece) for piece in pieces]


def _shares(sizes: list[int], parts: int) -> list[int]:
    """How many parts each file is cut into: the next part goes to the file whose parts are the largest."""
    shares = [1] * len(sizes)
    for _ in range(parts - len(sizes)):
        largest = max(range(len(sizes)), key=lambda place: sizes[place] / shares[place])
        shares[largest] += 1
    return shares
