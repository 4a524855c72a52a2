"""The files beside the artifacts that the program keeps for itself: lists, definitions, ledgers, memories, caches, pieces."""

from __future__ import annotations

import sqlite3
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

from clip_pipeline.errors import ClipPipelineError, DamagedFileError
from clip_pipeline.evaluation.datasets.added import FOLDER as DATASETS
from clip_pipeline.images.takedown import BEGUN_FILE, TAKEDOWNS_FILE, read_takedowns
from clip_pipeline.settings.variants import FOLDER as VARIANTS
from clip_pipeline.storage.checked_json import read_checked, read_own_file
from clip_pipeline.storage.damage import Finding, Kind
from clip_pipeline.storage.data_folder import leftovers, link_finding, size_below
from clip_pipeline.storage.scratch import REMOVED

CACHE, CHECKS, LEDGER, STAGING, WORK = ".cache", ".checks", ".ledger", ".staging", ".work"
PROGRAM_FOLDERS = (CACHE, CHECKS, LEDGER, STAGING, WORK, REMOVED, ".locks")

SQLITE = b"SQLite format 3\0"


def check_program_files(root: Path, deep: bool) -> Iterator[Finding]:
    """Everything of them that is damaged, left over, or may be removed. deep: read databases whole."""
    yield from _each(root, [root / TAKEDOWNS_FILE], lambda path: read_takedowns(path), "mend the line that the sentence names, or take the file from a backup: without it photos that were taken down come back")  # fmt: skip
    if (root / BEGUN_FILE).exists():
        found = "a take-down has begun and not ended"
        yield Finding(Kind.LEFTOVER, BEGUN_FILE, found, "give the same command again: it ends it")
    for folder, what in ((VARIANTS, "variants"), (DATASETS, "datasets")):
        todo = f"write the file anew, or remove it (clip-pipeline {what} --help)"
        yield from _each(root, _files(root / folder, "*.toml"), _read_toml, todo)
    ledgers = [path for path in _files(root / LEDGER, "*") if path.suffix == ".sqlite"]
    yield from _each(root, ledgers, lambda path: _read_database(path, deep), "wait until an hour has passed since your last request, then move the file away: a new one is begun")  # fmt: skip
    remembered = [*_files(root / CHECKS, "**/*.json"), *_files(root / CACHE, "*.json")]
    yield from _each(root, remembered, lambda path: read_checked(path), "nothing: it is not used, and the next run writes it anew; or remove it")  # fmt: skip
    for folder in (STAGING, WORK):
        yield from leftovers(root, folder, size_below)
    for place in _folders(root / REMOVED):
        files, size = size_below(place)
        found = f"{files:,} files of an artifact that was being removed, {size / 1e6:,.1f} MB"
        yield Finding(Kind.LEFTOVER, f"{REMOVED}/{place.name}", found, "remove the folder; the next take-down does so")
    for place in _folders(root / CACHE):
        files, size = size_below(place)
        found = f"a cache of {files:,} files, {size / 1e6:,.1f} MB"
        yield Finding(Kind.CACHE, f"{CACHE}/{place.name}", found, "nothing; removed, it is made anew when it is needed")


def _each(root: Path, paths: list[Path], read: Callable[[Path], object], todo: str) -> Iterator[Finding]:
    for path in paths:
        yield from link_finding(root, path)
        try:
            read(path)
        except FileNotFoundError:
            continue
        except DamagedFileError as error:
            found = str(error)
        except ClipPipelineError as error:
            found = f"cannot be used: {error}"
        except OSError as error:
            found = f"cannot be read: {error.strerror}"
        else:
            continue
        yield Finding(Kind.DAMAGED, path.relative_to(root).as_posix(), found, todo)


def _files(folder: Path, pattern: str) -> list[Path]:
    return sorted(path for path in folder.glob(pattern) if not path.name.startswith(".")) if folder.is_dir() else []


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []


def _read_toml(path: Path) -> None:
    content, _ = read_own_file(path)
    try:
        tomllib.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise DamagedFileError(f"is no TOML ({error})") from None


def _read_database(path: Path, deep: bool) -> None:
    """Opened to be read only: a ledger that is in use is left alone."""
    with path.open("rb") as file:
        if file.read(len(SQLITE)) != SQLITE:
            raise DamagedFileError("is no SQLite file")
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=5)
    except sqlite3.Error as error:
        raise DamagedFileError(f"cannot be opened ({error})") from None
    try:
        (found,) = connection.execute("PRAGMA integrity_check(1)" if deep else "PRAGMA quick_check(1)").fetchone()
    except sqlite3.OperationalError as error:
        if "locked" in str(error) or "readonly" in str(error) or "unable to open" in str(error):
            return
        raise DamagedFileError(f"is damaged ({error})") from None
    except sqlite3.DatabaseError as error:
        raise DamagedFileError(f"is damaged ({error})") from None
    finally:
        connection.close()
    if found != "ok":
        raise DamagedFileError(f"is damaged ({found})")
