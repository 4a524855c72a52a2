"""How far an asset of many partitions is, as lines now and then: for the log of a Dagster run and for a terminal that is a file."""

from __future__ import annotations

import time
from collections.abc import Callable

from clip_pipeline.pipeline.outcomes import PartitionDone

SECONDS_BETWEEN_LINES = 10.0
"""A line is an event in Dagster's database, which takes 5 to 20 ms: one a hit would take longer than the hit."""


def progress_lines(
    say: Callable[[str], None],
    every_seconds: float = SECONDS_BETWEEN_LINES,
    clock: Callable[[], float] = time.monotonic,
) -> Callable[[PartitionDone], None]:
    """What `on_partition` is to be handed: it says a line when so many seconds passed since the last, or since the asset began."""
    asset, last = "", 0.0

    def partition_done(done: PartitionDone) -> None:
        nonlocal asset, last
        if done.asset != asset:
            asset, last = done.asset, clock() - done.seconds
        if done.done < done.total and clock() - last >= every_seconds:
            last = clock()
            say(f"{done.asset}: {done.pace}")

    return partition_done
