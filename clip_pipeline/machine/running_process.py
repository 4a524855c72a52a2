"""Whether a process that somebody started still runs, known by its number and by when it was seen."""

from __future__ import annotations

import os
from pathlib import Path

SECONDS_OF_DOUBT = 5.0
"""The system counts a process's start in hundredths since it booted, and gives the boot in whole seconds of a clock that may be set."""


def still_runs(pid: int, seen: float) -> bool:
    """Whether the process `pid` that was there at `seen` (seconds since 1970) has not ended; a later one of the same number is another.

    Where the system does not say when a process began (it is no Linux), any process of the number counts.
    """
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        # the name, in brackets, may hold blanks and brackets of its own
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        boot = next(line for line in Path("/proc/stat").read_text().splitlines() if line.startswith("btime "))
    except OSError:
        return not Path("/proc/self/stat").exists()
    began = int(boot.split()[1]) + int(fields[19]) / os.sysconf("SC_CLK_TCK")
    return fields[0] not in "ZX" and began <= seen + SECONDS_OF_DOUBT
