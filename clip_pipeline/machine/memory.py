"""Memory that was freed goes back to the system, so that a long run needs no more than a short one.

The C library of Linux keeps what threads have freed, a heap a thread. Without these two calls the download of 50,000 photos grew from
98 to 138 MB in this process, with them from 100 to 110 (2026-11-21). On other systems both do nothing.
"""

from __future__ import annotations

import ctypes
import sys
from typing import Any

M_ARENA_MAX = -8
MAX_ARENAS = 2


def use_few_arenas() -> None:
    """From now on all threads share two heaps."""
    library = _c_library()
    if library is not None:
        library.mallopt(M_ARENA_MAX, MAX_ARENAS)


def give_memory_back() -> None:
    """What is free at this moment goes back to the system."""
    library = _c_library()
    if library is not None:
        library.malloc_trim(0)


def _c_library() -> Any:
    """glibc, None where the C library is another one."""
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "malloc_trim") else None
