"""All that numba compiles, compiled ahead of its first use: `python -m clip_pipeline.pipeline.compile_kernels` after an installation.

What is kept here is what a command would compile on its first use, which says so and keeps it too; the cache follows the code, so that
nothing of an older version is taken.
"""

from __future__ import annotations

import importlib
import time

from clip_pipeline.machine.progress import say

KERNELS = (
    "clip_pipeline.pixels.color_kernels",
    "clip_pipeline.pixels.normalise_kernels",
    "clip_pipeline.pixels.resize_kernels",
    "clip_pipeline.searching.scan_kernel",
    "clip_pipeline.training.data.batch_plan_kernel",
)
"""Modules whose functions are compiled when they are imported; the word scanner is when the first table of words is made."""


def compile_kernels() -> float:
    """Compiles the word scanner and the kernels of images, batches and the search, or finds them compiled. Returns the seconds it took."""
    began = time.monotonic()
    from clip_pipeline.words.table import WordTable

    WordTable({})
    for name in KERNELS:
        importlib.import_module(name)
    return time.monotonic() - began


if __name__ == "__main__":
    say("Compiling the word scanner and the image kernels, once on this machine: about a minute …")
    say(f"Compiled, {compile_kernels():,.0f} s.")
