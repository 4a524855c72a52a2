"""image_shards built again: what is there is taken from there, and sizes are told to other trainers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from clip_pipeline.pipeline.graph import STEPS
from clip_pipeline.pipeline.run import run_steps
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.settings import Recipe, with_settings
from clip_pipeline.settings.recipes import find_recipe
from clip_pipeline.sources.fetch import PhotoFetcher
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


def test_the_sizes_of_the_tars_lie_beside_the_pairs(tiny_data):
    sizes = json.loads((tiny_data / "images/image_text_pairs/sizes.json").read_text())
    tars = list((tiny_data / "images/image_shards").glob("*/*.tar"))
    assert sizes == {path.name: len(list(read_shard(path))) for path in tars}
