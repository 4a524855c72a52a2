"""Compiled functions that are kept on the disk, so that a machine compiles them once."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from clip_pipeline.machine.progress import waiting

logger = logging.getLogger(__name__)


def cached(compiler: Callable[..., Any]) -> Callable[[Callable[..., Any]], Any]:
    """A decorator: compiler(cache=True), where `compiler` is numba's njit with its other arguments.

    Where neither the source's folder nor the user's can be written to, the function is compiled in memory by each process,
    and a sentence says so.
    """

    def compiled(function: Callable[..., Any]) -> Any:
        try:
            with waiting(f"Compiling {function.__module__}.{function.__name__}, once on this machine"):
                return compiler(cache=True)(function)
        except RuntimeError as error:  # numba's, where it finds no place for its cache
            logger.warning("%s is compiled in every run: %s. Set NUMBA_CACHE_DIR.", function.__name__, error)
            return compiler()(function)

    return compiled
