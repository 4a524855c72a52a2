"""What a process of ours that starts another one hands to it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

PACKAGE_HOME = Path(__file__).resolve().parents[2]
"""Where the package `clip_pipeline` lies: the checkout, or site-packages."""


def child_environment(more: Mapping[str, str]) -> dict[str, str]:
    """This process's environment with `more`, in which a child finds the same package whatever its folder."""
    paths = os.pathsep.join(filter(None, (str(PACKAGE_HOME), os.environ.get("PYTHONPATH"))))
    return os.environ | more | {"PYTHONPATH": paths}


# Read when torch and pyarrow load, so a program sets them before, and for the processes that it starts.
PROGRAM_ENVIRONMENT = {
    # Threads that wait for each other spin for a moment, then sleep. With the default, long spinning, a training that
    # shares two cores with one other busy process runs ten times slower; with no spinning at all it loses a third on a
    # quiet machine (an epoch of the sandbox: 12.0 s so, 13.9 s by default, 21.2 s passive, 2026-11-21).
    "GOMP_SPINCOUNT": "20000",
    # Arrow's own memory pool keeps what small tables leave behind in many threads: a download of 4,000 photos holds 140 MB
    # with it and 87 with the system's (2026-11-21).
    "ARROW_DEFAULT_MEMORY_POOL": "system",
}
"""What the environment of a program of ours says, unless the user's says otherwise."""
