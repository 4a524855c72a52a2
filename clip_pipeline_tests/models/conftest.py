"""What the tests of the models share."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _one_thread():
    """Sums this small are ten times slower when two threads wait for each other on a busy machine (2026-11-21)."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
