"""Unpacks the shared tars; `filter` is asked for where this Python has it (3.11.4)."""

from __future__ import annotations

import tarfile
from collections.abc import Sequence
from pathlib import Path


def unpack(tar: tarfile.TarFile, folder: Path, members: Sequence[tarfile.TarInfo] | None = None) -> None:
    """All members, or these, below `folder`."""
    safe = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
    tar.extractall(folder, members, **safe)
