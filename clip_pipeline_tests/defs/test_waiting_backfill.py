"""A backfill while the code server is being started again."""

import logging

import pytest
from dagster._core.errors import DagsterAssetBackfillDataLoadError, DagsterDefinitionChangedDeserializationError
from dagster._core.execution import asset_backfill

from clip_pipeline.cli.dev import PATIENCE


@pytest.fixture
def looked_at(monkeypatch):
    """What the daemon does with a backfill whose code server does not answer: whether it goes on with it."""

    def miss(*arguments):
        raise DagsterDefinitionChangedDeserializationError("Asset shards existed at storage-time, but no longer does")

    monkeypatch.setattr(asset_backfill, "_get_unloadable_location_names", lambda *arguments: ["clip_pipeline"])
    monkeypatch.setattr(asset_backfill, "_check_asset_backfill_data_validity", miss)
    look = asset_backfill._check_validity_of_asset_backfill_data_and_should_process_backfill
    return lambda: look(None, "one", None, None, None, logging.getLogger("daemon"))


def test_a_backfill_waits_until_a_killed_code_server_is_there_again(looked_at, monkeypatch):
    for name, value in PATIENCE.items():
        monkeypatch.setenv(name, value)
    assert looked_at() is False


def test_dagster_by_itself_gives_it_up(looked_at, monkeypatch):
    monkeypatch.delenv(*PATIENCE, raising=False)
    with pytest.raises(DagsterAssetBackfillDataLoadError):
        looked_at()
