"""Dagster's SQLite: commits that do not wait for the disk, and nothing lost when the process is killed."""

from __future__ import annotations

import sqlite3
import subprocess
import sys

import pytest

dg = pytest.importorskip("dagster")

WRITER = """
import os, signal, sys
import dagster as dg
from clip_pipeline.defs.mirror.database import write_without_waiting
write_without_waiting()
write_without_waiting()
with dg.DagsterInstance.local_temp(sys.argv[1]) as instance:
    for number in range(5):
        instance.report_runless_asset_event(dg.AssetMaterialization("photos", metadata={"number": number}))
    instance.add_dynamic_partitions("shards", ["000"])
    with instance.event_log_storage.index_connection() as connection:
        print(connection.exec_driver_sql("PRAGMA synchronous").scalar())
    sys.stdout.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_commits_do_not_wait_for_the_disk_and_outlive_a_kill(tmp_path):
    written = subprocess.run([sys.executable, "-c", WRITER, tmp_path], capture_output=True, text=True, check=False)
    assert written.returncode == -9, written.stderr
    assert written.stdout.split() == ["1"], "NORMAL"
    assert list(tmp_path.rglob("index.db-wal")), (
        "a connection stays open, so that the log is not written back at each event"
    )
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        events = instance.fetch_materializations(dg.AssetKey("photos"), limit=10).records
        assert [one.asset_materialization.metadata["number"].value for one in events] == [4, 3, 2, 1, 0]
        assert instance.get_dynamic_partitions("shards") == ["000"]
    (database,) = tmp_path.rglob("index.db")
    with sqlite3.connect(database) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_few_databases_stay_open(tmp_path):
    import sqlalchemy

    from clip_pipeline.defs.mirror import database

    database.write_without_waiting()
    for number in range(2 * database.KEPT_OPEN):
        path = tmp_path / f"{number}.db"
        with sqlite3.connect(path) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
        with sqlalchemy.create_engine(f"sqlite:///{path}").connect() as opened:
            assert opened.exec_driver_sql("PRAGMA synchronous").scalar() == 1
    assert list(database._open) == [str(tmp_path / f"{number}.db") for number in range(4, 8)]
