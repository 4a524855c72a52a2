"""Freed memory goes back to the system."""

from __future__ import annotations

import subprocess
import sys

import pytest

RISE_AND_FALL = """
import resource, sys
from clip_pipeline.machine.memory import give_memory_back

def resident_mb():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize() / 1e6

pieces = [bytes(50_000) for _ in range(4_000)]
last = bytes(50_000)  # keeps the heap from shrinking by itself
full = resident_mb()
del pieces
give_memory_back()
print(full - resident_mb())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc is Linux's")
def test_what_was_freed_is_given_back():
    said = subprocess.run([sys.executable, "-c", RISE_AND_FALL], capture_output=True, text=True, check=True)
    assert float(said.stdout) > 150
