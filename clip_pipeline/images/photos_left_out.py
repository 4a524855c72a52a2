"""Photos that were tried and are in no shard: how often for each status, with one of them and what was wrong with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clip_pipeline.display.left_out import LeftOut

if TYPE_CHECKING:
    import pyarrow as pa

PREFIX = "photo "


def count_statuses(attempts: pa.Table, counts: LeftOut) -> None:
    """attempts: SHARD_ATTEMPTS, of which each status but success is counted, as "photo STATUS"."""
    import pyarrow.compute as pc

    for status in attempts["status"].value_counts().to_pylist():
        if status["values"] != "success":
            row = pc.index(attempts["status"], status["values"]).as_py()
            name, why = attempts["id"][row].as_py(), attempts["error_message"][row].as_py()
            counts.add(f"{PREFIX}{status['values']}", status["counts"], f"{name}: {why}" if why else name)
