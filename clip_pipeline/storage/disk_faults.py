"""What the operating system says of a disk, whichever library passes it on, as a sentence."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import resource
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from clip_pipeline.errors import AnotherDataFolder, ClipPipelineError, DiskError

FULL = (errno.ENOSPC, errno.EDQUOT)
FORBIDDEN = (errno.EROFS, errno.EACCES, errno.EPERM)
SICK = (errno.EIO, errno.ESTALE, errno.ENXIO, errno.ENODEV, errno.EREMOTEIO)
GONE = (errno.ENOTCONN, errno.ETIMEDOUT, errno.EHOSTDOWN, errno.EHOSTUNREACH)
"""Of a disk only where a file is named: connections to servers fail with these too."""
NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP)

OF_SQLITE = {8: errno.EROFS, 10: errno.EIO, 13: errno.ENOSPC}
"""SQLITE_READONLY, SQLITE_IOERR, SQLITE_FULL."""

NUMBER = re.compile(r"\((?:os )?error (\d+)\)|\[errno (\d+)\]", re.IGNORECASE)
"""How libraries in Rust (safetensors, tokenizers) and Arrow quote the system."""
CUT_WRITE = re.compile(r"\d+ requested and \d+ written|PytorchStreamWriter failed writing|unexpected pos \d+ vs \d+")
"""NumPy and PyTorch say only that not all was written."""


@contextlib.contextmanager
def disk_errors(root: Path) -> Iterator[None]:
    """Turns the operating system's complaints about the disk of `root`, a folder that is written, into a DiskError."""
    try:
        yield
    except Exception as error:
        fault = disk_fault(error, root)
        if fault is None:
            raise
        raise fault from error


def disk_fault(error: BaseException, root: Path) -> DiskError | None:
    """The sentence for an error of writing below `root`; None for one that is no fault of that disk."""
    if isinstance(error, ClipPipelineError):
        return None
    number, name = _number_and_file(error)
    if name is not None and not _is_below(name, root):
        return None
    if number in FULL:
        quota = number == errno.EDQUOT
        found = "Your quota on the disk that holds" if quota else "The disk that holds"
        state = (
            "is used up" if quota else f"is full ({shutil.disk_usage(_existing_parent(root)).free / 1e6:,.0f} MB free)"
        )
        return _disk_error(f"{found} {root} {state}. What was finished is kept.", "Free some space and run again")
    if number == errno.EFBIG:
        allowed = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
        limit = "" if allowed == resource.RLIM_INFINITY else f" (ulimit -f: {allowed:,} bytes)"
        found = f"A file below {root} would be larger than this process or its file system may write{limit}"
        return _disk_error(f"{found}. What was finished is kept.", "Raise the limit and run again")
    if number == errno.EAGAIN and CUT_WRITE.search(str(error)):
        found = (
            f"A file below {root} could not be written to its end: the disk is full, or a quota or a limit is reached"
        )
        return _disk_error(f"{found}. What was finished is kept.", "Free some space and run again")
    if number in FORBIDDEN and (name is not None or isinstance(error, OSError)):
        return _disk_error(
            f"{root} cannot be written ({os.strerror(number)}).", "Give yourself the right to write there"
        )
    if number in SICK or (number in GONE and name is not None):
        found = f"The disk that holds {root}, or what is read for it, does not answer ({os.strerror(number)})"
        return _disk_error(f"{found}. What was finished is kept.", "Mount it again, look after it, and run again")
    if number in NO_LOCKS and name is None:
        found = f"The file system of {root} has no locks ({os.strerror(number)}), so two runs could write at once"
        return _disk_error(f"{found}.", "Mount it with locks")
    return None


def disk_sentence(error: Exception) -> str:
    """The sentence for what nothing nearer to the disk has put into words; "" for an error that is no disk's."""
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}. Check the path and your right to write there."
    number, _ = _number_and_file(error)
    if number in (*FULL, *SICK, *FORBIDDEN, *NO_LOCKS, errno.EFBIG) or CUT_WRITE.search(str(error)):
        return f"A file cannot be written or read ({error}). Look after the disks that hold your files and the folder for temporary ones."
    if number in (errno.EMFILE, errno.ENFILE):
        return "Too many files are open at a time. Raise the limit (ulimit -n) and run again."
    return ""


def _disk_error(found: str, otherwise: str) -> DiskError:
    return DiskError(found, AnotherDataFolder(otherwise))


def _number_and_file(error: BaseException) -> tuple[int, object]:
    """(errno, file name or None) that an error, or what it was raised from, tells; errno 0 where it tells none."""
    cut = CUT_WRITE.search(str(error)) is not None
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError):
            if seen.errno:
                return seen.errno, seen.filename
        elif isinstance(seen, sqlite3.Error):
            return OF_SQLITE.get(getattr(seen, "sqlite_errorcode", 0) & 0xFF, 0), None
        elif quoted := NUMBER.search(str(seen)):
            return int(quoted[1] or quoted[2]), None
        seen = seen.__cause__ or (seen.__context__ if cut else None)
    return (errno.EAGAIN if cut else 0), None


def _existing_parent(path: Path) -> Path:
    while not path.exists():
        path = path.parent
    return path


def _is_below(name: object, root: Path) -> bool:
    if isinstance(name, bytes):
        name = os.fsdecode(name)
    if not isinstance(name, (str, os.PathLike)):
        return True
    path = Path(name).absolute()
    return path.is_relative_to(root.absolute()) or root.absolute().is_relative_to(path)
