"""Counts as people read them: `1,102 words, 640 links`."""

from __future__ import annotations

from collections.abc import Mapping


def counts_text(counts: Mapping[str, int]) -> str:
    """The counts in their order, each before what it counts; "nothing" where there are none."""
    return ", ".join(f"{count:,} {name}" for name, count in counts.items()) or "nothing"
