"""Whether this processor multiplies bytes without loss."""

from __future__ import annotations

import functools
import platform
from pathlib import Path

CPU_FILE = Path("/proc/cpuinfo")
WHOLE_PRODUCTS = frozenset(("avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm"))
"""Instructions that sum products of bytes in 32 bits. Those before them (AVX2, AVX-512) sum two in 16 bits, and cut what is larger."""


@functools.cache
def sums_bytes_whole(cpu_file: Path = CPU_FILE) -> bool:
    """Whether sums of products of an unsigned and a signed byte are exact. Where it is not known, only of ARM, all of which have it
    since 2018."""
    try:
        words = frozenset(cpu_file.read_text(errors="replace").split())
    except OSError:
        return platform.machine().lower() in ("arm64", "aarch64")
    return not WHOLE_PRODUCTS.isdisjoint(words)
