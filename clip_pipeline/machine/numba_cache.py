"""Compiled functions that are kept on the disk, so that a machine compiles them once; damaged ones are compiled again."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import pickle
import stat
import threading
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from clip_pipeline.machine.progress import waiting

logger = logging.getLogger(__name__)

DIGEST_BYTES = 32


def cached(compiler: Callable[..., Any]) -> Callable[[Callable[..., Any]], Any]:
    """A decorator: compiler(cache=True), where `compiler` is numba's njit with its other arguments.

    Where neither the source's folder nor the user's can be written to, the function is compiled in memory by each process,
    and a sentence says so.
    """

    def compiled(function: Callable[..., Any]) -> Any:
        try:
            name = f"{function.__module__}.{function.__name__}"
            with waiting(f"Loading {name}, which is compiled once on this machine"), _checked_files():
                return compiler(cache=True)(function)
        except RuntimeError as error:  # numba's, where it finds no place for its cache
            logger.warning("%s is compiled in every run: %s. Set NUMBA_CACHE_DIR.", function.__name__, error)
            return compiler()(function)

    return compiled


_PATCHING = threading.Lock()


@contextlib.contextmanager
def _checked_files() -> Iterator[None]:
    """The functions that are compiled inside have files with a checksum: numba unpickles what it finds, and would run damaged code.

    numba has no setting for it. One that keeps its files otherwise is left as it is.
    """
    from numba.core import caching

    name = "IndexDataCacheFile"
    plain = getattr(caching, name, None)
    if plain is None or not all(
        hasattr(plain, method) for method in ("_load_index", "_load_data", "_dump", "_data_path")
    ):
        yield
        return
    with _PATCHING:
        setattr(caching, name, _checked_file(plain))
        try:
            yield
        finally:
            setattr(caching, name, plain)


@cache
def _checked_file(plain: type) -> type:
    """numba's class of a function's index and data files, with a checksum before each pickle. They have names of their own, so that
    numba alone, as versions before 0.3 use it, reads none of them."""

    class CheckedCacheFile(plain):  # type: ignore[misc,valid-type]
        def __init__(self, cache_path: str, filename_base: str, source_stamp: Any):
            super().__init__(cache_path, f"{filename_base}.checked", source_stamp)

        def save(self, key: Any, data: Any) -> None:
            try:
                super().save(key, data)
            except OSError as error:  # a folder in the place of a file, a full disk
                logger.warning("%s is compiled in every run: %s.", self._index_path, error)

        def _dump(self, value: Any) -> bytes:
            data = super()._dump(value)
            return hashlib.sha256(data).digest() + data

        def _load_index(self) -> dict[Any, str]:
            head = pickle.dumps(self._version, protocol=-1)
            content = _read(self._index_path)
            if content is None or not content.startswith(head):  # none, or of another numba
                return {}
            loaded = _loaded(content[len(head) :], self._index_path)
            return loaded[1] if loaded is not None and loaded[0] == self._source_stamp else {}

        def _load_data(self, name: str) -> Any:
            path = self._data_path(name)
            content = _read(path)
            return None if content is None else _loaded(content, path)

    return CheckedCacheFile


def _read(path: str) -> bytes | None:
    """The bytes of a regular file, None for anything else."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        with open(descriptor, "rb", closefd=False) as file:
            return file.read()
    finally:
        os.close(descriptor)


def _loaded(content: bytes, path: str) -> Any:
    data = content[DIGEST_BYTES:]
    if hashlib.sha256(data).digest() != content[:DIGEST_BYTES]:
        logger.warning("%s is damaged and is not used: the function is compiled again.", path)
        return None
    try:
        return pickle.loads(data)
    except (ImportError, AttributeError) as error:  # a folder was renamed together with its __pycache__
        logger.warning("%s is of code that is not there any more (%s): the function is compiled again.", path, error)
        return None
