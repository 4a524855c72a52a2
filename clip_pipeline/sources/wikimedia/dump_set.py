"""The files that make up a dump: one file, several, a folder of them, or those that a pattern such as dumps/*.bz2 names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from clip_pipeline.errors import DumpError
from clip_pipeline.sources.wikimedia.dump_files import DumpDescription, describe_dump, require_dump_file
from clip_pipeline.sources.wikimedia.html_dumps import HTML_SUFFIXES, describe_html_dump, is_html_dump

DUMP_SUFFIXES = (".xml", ".bz2", ".xz", ".lzma", ".gz", ".7z", *HTML_SUFFIXES)
PATTERN_CHARACTERS = re.compile(r"[*?\[]")
NOT_A_DUMP = re.compile(r"-index\d*\.txt|\.(?:part|txt|json|md5|sha1)$|sums\.txt")


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
    names = [file.name for file in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DumpError(f"Two files of {place} are named {twice[0]}. Give each file of a dump a name of its own.")
    return [require_dump_file(file) for file in sorted(found, key=_natural_order)]


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
