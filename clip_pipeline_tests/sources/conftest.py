from __future__ import annotations

from collections.abc import Iterator

import pytest

from clip_pipeline_tests.sources.loopback import Loopback, loopback


@pytest.fixture
def site() -> Iterator[Loopback]:
    """A server on loopback that answers what the test tells it."""
    with loopback() as running:
        yield running
