"""Freed memory goes back to the system, or is kept for what is asked for next."""

from __future__ import annotations

import resource
import subprocess
import sys

import pytest
import torch

from clip_pipeline.machine.memory import freed_memory_kept

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


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's malloc")
def test_memory_that_is_asked_for_again_costs_no_page_faults():
    def page_faults() -> int:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for _ in range(20):
            torch.ones(4 << 20)  # 16 MiB, 4,096 pages
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    given_back = page_faults()
    with freed_memory_kept():
        torch.ones(4 << 20)
        kept = min(page_faults() for _ in range(3))  # the system may take pages away in between
    if given_back < 1000:
        pytest.skip("large pages, or another allocator: nothing to save here")
    assert kept < given_back / 10
