"""Small files in which something is remembered that can be found out again: never believed when damaged, and never a reason to stop."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from clip_pipeline.errors import DamagedFileError
from clip_pipeline.storage.checked_json import checked_text, read_checked
from clip_pipeline.storage.published import published_file

logger = logging.getLogger(__name__)


def recall(path: Path, valid: Callable[[dict[str, Any]], bool], old: bool = False) -> dict[str, Any]:
    """What was remembered in a file; {} where nothing was, and where the file is damaged, which a line in the log says.

    valid: whether the object is one of those that are written there. old: believe it also without a checksum of its own, as
    versions before 0.3 wrote it.
    """
    try:
        read = read_checked(path)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except DamagedFileError as error:
        problem = str(error)
    except OSError as error:
        problem = f"cannot be read ({error.strerror})"
    else:
        if not (read.has_checksum or old):
            return {}
        if valid(read.value):
            return read.value
        problem = "holds something else than what is written there"
    logger.warning("%s %s. It is not used, and written anew when there is something to remember.", path, problem)
    return {}


def remember(path: Path, value: dict[str, Any]) -> None:
    """Writes what is to be remembered in one step. Where something else is in the way a line in the log says so, and nothing is."""
    try:
        if path.is_dir() and not path.is_symlink():
            path.rename(_free_name(path))
        with published_file(path) as temporary:
            temporary.write_text(checked_text(value), encoding="utf-8")
    except (FileExistsError, NotADirectoryError, IsADirectoryError, DamagedFileError) as error:
        logger.warning("%s cannot be written (%s), so what was found out is found out again next time.", path, error)


def _free_name(path: Path) -> Path:
    """A name beside a folder that lies in the place of a file: it may hold something of somebody's."""
    number = 1
    while (beside := path.with_name(f"{path.name}.in-the-way-{number}")).exists():
        number += 1
    return beside
