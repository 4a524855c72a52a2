"""The error that made a run fail, in the place of the list at its end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from clip_pipeline.errors import RunFailedError


@contextmanager
def first_error() -> Iterator[None]:
    """Raises the first error of a run that fails."""
    try:
        yield
    except RunFailedError as failed:
        assert failed.__cause__ is not None, failed
        raise failed.__cause__ from None
