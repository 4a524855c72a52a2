"""A shard that lacks photos for now: the automation asks for it when its time has come, and what reads it does not wait until then."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime

import pyarrow.parquet as pq
import pytest

pytest.importorskip("dagster")

from clip_pipeline.defs.automation.conditions import _wanted_states  # noqa: E402
from clip_pipeline.defs.page.metadata import artifact_metadata  # noqa: E402
from clip_pipeline.pipeline.graph import STEPS  # noqa: E402
from clip_pipeline.pipeline.run import walk  # noqa: E402
from clip_pipeline.pipeline.workspace import Workspace  # noqa: E402
from clip_pipeline.settings.recipes import find_recipe  # noqa: E402
from clip_pipeline.sources.fetch import Fetched, PhotoFetcher  # noqa: E402


def test_an_incomplete_shard_is_asked_for_when_its_time_has_come_and_the_page_shows_it(
    tiny_data, tmp_path, monkeypatch
):
    for asset in ("words", "images"):
        shutil.copytree(tiny_data / asset, tmp_path / asset)
    shard = tmp_path / "images/image_shards/00001"
    rows = pq.read_table(shard / "00001.parquet", columns=["url", "status"]).to_pylist()
    dead = {row["url"] for row in rows if row["status"] == "success"}
    dead = set(sorted(dead)[:5])
    shutil.rmtree(shard)
    fetch = PhotoFetcher.fetch
    refused = Fetched("connection_error", None, "the connection was refused or broke")
    monkeypatch.setattr(PhotoFetcher, "fetch", lambda self, url: refused if url in dead else fetch(self, url))
    monkeypatch.setenv("CLIP_PIPELINE_RECIPE", "tiny")
    monkeypatch.setenv("CLIP_PIPELINE_DATA", str(tmp_path))

    def wanted(second: int) -> dict[str, dict[str, str]]:
        return {
            name: found
            for name, found in _wanted_states(datetime(2026, 12, 1, 0, 0, second, tzinfo=UTC)).items()
            if found
        }

    def build() -> None:
        with Workspace(tmp_path, find_recipe("tiny")) as workspace:
            for outcome in walk(workspace, [STEPS["image_shards"], STEPS["image_text_pairs"]]):
                for materialised in outcome.partitions.values():
                    assert ("Incomplete" in artifact_metadata(materialised)) == (
                        outcome.incomplete.keys() == {materialised.artifact.key.partition}
                    )

    build()
    first = wanted(1)
    assert set(first) == {"image_shards"} and set(first["image_shards"]) == {"00001"}, "the next run tries again"
    build()
    assert not wanted(2), "then it waits, and what reads it is fresh"
