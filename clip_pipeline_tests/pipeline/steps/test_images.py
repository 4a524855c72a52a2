"""image_shards built again: what is there is taken from there, an outage replaces nothing, and sizes are told to other trainers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from clip_pipeline.errors import OutageError
from clip_pipeline.pipeline.graph import STEPS
from clip_pipeline.pipeline.outcomes import AssetOutcome, incomplete_sentence
from clip_pipeline.pipeline.run import run_steps, walk
from clip_pipeline.pipeline.status import pipeline_status
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.settings import Recipe, with_settings
from clip_pipeline.settings.recipes import find_recipe
from clip_pipeline.sources.fetch import Fetched, PhotoFetcher
from clip_pipeline.sources.photos.formats.tar_index import read_shard


@pytest.fixture
def own_data(tiny_data, tmp_path) -> Path:
    """A copy of what leads to the shards, and of the shards."""
    for asset in ("words/vocabulary", "images/image_links", "images/photo_catalog", "images/image_shards"):
        shutil.copytree(tiny_data / asset, tmp_path / asset)
    return tmp_path


def build_again(data: Path, recipe: Recipe, monkeypatch) -> list[str]:
    """Builds image_shards by force; the urls that were asked for."""
    asked: list[str] = []
    fetch = PhotoFetcher.fetch
    monkeypatch.setattr(PhotoFetcher, "fetch", lambda self, url: asked.append(url) or fetch(self, url))
    with Workspace(data, recipe) as workspace:
        run_steps(workspace, [STEPS["image_shards"]], force=True)
    return asked


def shard_files(data: Path) -> dict[str, bytes]:
    paths = (data / "images/image_shards").glob("*/0*")
    return {path.name: path.read_bytes() for path in paths}


def test_by_force_only_failures_that_may_pass_are_asked_for_again(own_data, monkeypatch):
    before = shard_files(own_data)
    tables = [pq.read_table(path).to_pylist() for path in (own_data / "images/image_shards").glob("*/*.parquet")]
    may_pass = {row["url"] for rows in tables for row in rows if row["status"] in ("timeout", "connection_error")}
    asked = build_again(own_data, find_recipe("tiny"), monkeypatch)
    assert set(asked) == may_pass
    assert shard_files(own_data) == before


def test_without_reuse_all_photos_are_asked_for_and_the_bytes_are_the_same(own_data, monkeypatch):
    before = shard_files(own_data)
    asked = build_again(own_data, with_settings(find_recipe("tiny"), ["download.reuse=false"]), monkeypatch)
    assert len(set(asked)) == sum(
        pq.read_metadata(p).num_rows for p in own_data.glob("images/image_shards/*/*.parquet")
    )
    assert shard_files(own_data) == before


def test_a_damaged_shard_is_no_source_of_photos(own_data, monkeypatch):
    before = shard_files(own_data)
    tar = own_data / "images/image_shards/00000/00000.tar"
    tar.write_bytes(tar.read_bytes()[:-3000])
    asked = build_again(own_data, find_recipe("tiny"), monkeypatch)
    assert len(set(asked)) >= pq.read_metadata(tar.with_suffix(".parquet")).num_rows
    assert shard_files(own_data) == before


@pytest.fixture
def dead_host(monkeypatch) -> set[str]:
    """Photos whose host is gone, by url; a test adds to them. All photos where it holds "everything"."""
    dead: set[str] = set()
    fetch = PhotoFetcher.fetch

    def fetch_or_fail(self: PhotoFetcher, url: str) -> Fetched:
        if url in dead or "everything" in dead:
            return Fetched("connection_error", None, "the connection was refused or broke")
        return fetch(self, url)

    monkeypatch.setattr(PhotoFetcher, "fetch", fetch_or_fail)
    return dead


def attempts_of(data: Path, shard: str) -> list[dict]:
    return pq.read_table(data / f"images/image_shards/{shard}/{shard}.parquet").to_pylist()


def run_photos(data: Path, *settings: str, **options) -> list[AssetOutcome]:
    with Workspace(data, with_settings(find_recipe("tiny"), list(settings))) as workspace:
        return walk(workspace, [STEPS["image_shards"], STEPS["image_text_pairs"]], **options)


def state_of(data: Path, shard: str, *settings: str) -> tuple[str, str]:
    with Workspace(data, with_settings(find_recipe("tiny"), list(settings))) as workspace:
        statuses = pipeline_status(workspace, [STEPS["image_shards"]])
    return next((one.state, one.why) for one in statuses if one.partition == shard)


def test_a_host_that_dies_in_the_middle_leaves_a_shard_incomplete_and_the_next_run_completes_it(own_data, dead_host):
    before = shard_files(own_data)
    run_photos(own_data)
    pairs = (own_data / "images/image_text_pairs/pairs.parquet").read_bytes()
    photos = [row["url"] for row in attempts_of(own_data, "00001") if row["status"] == "success"]
    shutil.rmtree(own_data / "images/image_shards/00001")
    dead_host.update(photos[-12:])

    shards, read = run_photos(own_data)
    assert not shards.failures and list(shards.incomplete) == ["00001"]
    sentence = incomplete_sentence([shards])
    assert "image_shards[00001] lacks 12 photos for now (images.sandbox.test: the connection was refused" in sentence
    (warning,) = [result for result in shards.warnings if result.check.name == "photos_could_be_had"]
    assert "12 photos could not be had for now" in warning.outcome.found
    assert state_of(own_data, "00001") == ("incomplete", shards.incomplete["00001"].sentence)
    assert state_of(own_data, "00000") == ("fresh", "")
    assert read.built == 1, "what is there is used"
    assert (own_data / "images/image_text_pairs/pairs.parquet").read_bytes() != pairs

    dead_host.clear()
    shards, read = run_photos(own_data)
    assert (shards.built, shards.hits, shards.incomplete) == (1, 1, {})
    assert shard_files(own_data) == before
    assert read.built == 1, "what reads the shard is built again"
    assert (own_data / "images/image_text_pairs/pairs.parquet").read_bytes() == pairs
    assert state_of(own_data, "00001") == ("fresh", "")


def test_patience_grows_and_a_try_in_vain_leaves_what_reads_the_shard_fresh(own_data, dead_host):
    photos = [row["url"] for row in attempts_of(own_data, "00001") if row["status"] == "success"]
    shutil.rmtree(own_data / "images/image_shards/00001")
    dead_host.update(photos[-12:])
    assert [outcome.built for outcome in run_photos(own_data)] == [1, 1]
    assert [outcome.built for outcome in run_photos(own_data)] == [1, 0], "the next run tries again"
    shards, read = run_photos(own_data)
    assert (shards.built, read.built) == (0, 0), "then it is too early"
    assert "tried 2 times, again from" in shards.incomplete["00001"].sentence
    assert state_of(own_data, "00001")[0] == "incomplete"
    assert [outcome.built for outcome in run_photos(own_data, "download.retry_minutes=0")] == [1, 0]
    dead_host.clear()
    assert run_photos(own_data)[0].built == 0
    assert run_photos(own_data, "download.retry_minutes=0")[0].built == 1
    assert state_of(own_data, "00001") == ("fresh", "")


def test_an_outage_stops_the_photos_and_nothing_good_is_replaced(own_data, dead_host):
    before = shard_files(own_data)
    dead_host.add("everything")
    shards, read = run_photos(own_data, "download.image_size=48", waits=())
    assert isinstance(shards.failures["00000"], OutageError)
    assert shards.skipped == {"00001": "the hosts of the photos cannot be reached for now"}
    assert not read.partitions and read.skipped
    assert shard_files(own_data) == before
    shards, _ = run_photos(own_data)
    assert (shards.built, shards.hits) == (0, 2), "the old ones are fresh with their own settings"


def test_what_came_before_an_outage_is_kept_whatever_limit_is_changed_to_go_on(own_data, dead_host, monkeypatch):
    before = shard_files(own_data)
    photos = [row["url"] for row in attempts_of(own_data, "00000") if row["status"] == "success"]
    shutil.rmtree(own_data / "images/image_shards/00000")
    dead_host.update(photos[:40])
    shards, _ = run_photos(own_data, "download.connections=1", waits=())
    assert isinstance(shards.failures["00000"], OutageError)
    dead_host.clear()
    asked: list[str] = []
    fetch = PhotoFetcher.fetch
    monkeypatch.setattr(PhotoFetcher, "fetch", lambda self, url: asked.append(url) or fetch(self, url))
    with Workspace(own_data, with_settings(find_recipe("tiny"), ["download.robots_txt=false"])) as workspace:
        walk(workspace, [STEPS["image_shards"]])
    assert set(photos[:20]) <= set(asked) < set(row["url"] for row in attempts_of(own_data, "00000"))
    assert shard_files(own_data) == before


@pytest.mark.parametrize("limit", ["retries=0", "robots_txt=false", "max_bytes=2000"])
def test_other_limits_of_fetching_ask_for_nothing_and_leave_the_photos(own_data, dead_host, limit):
    before = {name: content for name, content in shard_files(own_data).items() if name.endswith(".tar")}
    dead_host.add("everything")
    with Workspace(own_data, with_settings(find_recipe("tiny"), [f"download.{limit}"])) as workspace:
        (shards,) = walk(workspace, [STEPS["image_shards"]], waits=())
    assert not shards.failures and not shards.incomplete
    assert {name: content for name, content in shard_files(own_data).items() if name in before} == before


def test_the_sizes_of_the_tars_lie_beside_the_pairs(tiny_data):
    sizes = json.loads((tiny_data / "images/image_text_pairs/sizes.json").read_text())
    tars = list((tiny_data / "images/image_shards").glob("*/*.tar"))
    assert sizes == {path.name: len(list(read_shard(path))) for path in tars}
