"""A photo that is taken down is gone from every artifact, nothing else changes, and it does not come back."""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from clip_pipeline.errors import InputError, SettingsError
from clip_pipeline.pipeline.graph import STEPS
from clip_pipeline.pipeline.run import run_steps
from clip_pipeline.pipeline.takedown import take_down
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.settings.recipes import find_recipe
from clip_pipeline.sources.fetch import PhotoFetcher


@pytest.fixture(scope="module")
def copied(tiny_data, tmp_path_factory) -> Path:
    """The tiny run without its scores, which would only take time here."""
    folder = tmp_path_factory.mktemp("takedown") / "data"
    shutil.copytree(tiny_data, folder, ignore=shutil.ignore_patterns("evaluation"))
    return folder


def shard_bytes(folder: Path) -> dict[str, bytes]:
    return {path.stem: path.read_bytes() for path in sorted((folder / "images/image_shards").glob("*/*.tar"))}


def ids_in(folder: Path) -> set[str]:
    tables = [folder / "images/photo_catalog/photos.parquet", *(folder / "images/image_shards").glob("*/*.parquet")]
    pairs = folder / "images/image_text_pairs/pairs.parquet"
    found = {photo for path in tables for photo in pq.read_table(path)["id"].to_pylist()}
    found |= set(pq.read_table(pairs)["photo_id"].to_pylist())
    for keys in (folder / "embedding/image_embeddings/held_out").rglob("*.parquet"):
        found |= set(pq.read_table(keys)["id"].to_pylist())
    return found


def texts_in_tars(folder: Path) -> str:
    pieces = []
    for path in folder.rglob("*.tar"):
        with tarfile.open(path) as tar:
            pieces += [
                tar.extractfile(entry).read().decode() for entry in tar if entry.name.endswith((".json", ".txt"))
            ]
    return "\n".join(pieces)


def test_a_photo_is_taken_out_everywhere_and_stays_out(copied, monkeypatch):
    def refuse(fetcher, url):
        raise AssertionError(f"{url} was asked for: a take-down fetches nothing")

    monkeypatch.setattr(PhotoFetcher, "fetch", refuse)
    pairs = pq.read_table(copied / "images/image_text_pairs/pairs.parquet").to_pylist()
    photo = next(row for row in pairs if row["split"] == "test")
    before = shard_bytes(copied)
    sandbox_vectors = next((copied / "embedding/image_embeddings/sandbox").rglob("*.npy")).read_bytes()
    assert photo["photo_id"] in ids_in(copied)
    with Workspace(copied, find_recipe("tiny")) as workspace:
        outcome = take_down(workspace, [photo["photo_id"]], "asked")
    assert [found.id for found in outcome.found.photos] == [photo["photo_id"]]
    assert "clip_checkpoint" in outcome.stale
    assert photo["photo_id"] not in ids_in(copied)
    assert photo["photo_id"] not in texts_in_tars(copied)
    after = shard_bytes(copied)
    assert {shard for shard in before if before[shard] != after[shard]} == {photo["shard"]}
    assert next((copied / "embedding/image_embeddings/sandbox").rglob("*.npy")).read_bytes() == sandbox_vectors
    with Workspace(copied, find_recipe("tiny")) as workspace:
        run_steps(workspace, [STEPS["photo_catalog"], STEPS["image_shards"]], force=True)
    assert photo["photo_id"] not in ids_in(copied)
    assert shard_bytes(copied) == after


def test_a_variant_that_cannot_be_read_stops_it_before_anything_changes(copied):
    (copied / "variants").mkdir()
    (copied / "variants" / "broken.toml").write_text("[training]\nepochz = 3")
    before = (copied / "takedowns.jsonl").read_bytes()
    try:
        with Workspace(copied, find_recipe("tiny")) as workspace, pytest.raises(SettingsError, match=r"broken\.toml"):
            take_down(workspace, [sorted(ids_in(copied))[0]], "asked")
    finally:
        shutil.rmtree(copied / "variants")
    assert (copied / "takedowns.jsonl").read_bytes() == before


def test_what_a_removed_variant_left_is_named_for_it_may_hold_the_photo(copied):
    vectors = copied / "embedding/image_embeddings/sandbox"
    shutil.copytree(vectors / "tiny_test", vectors / "removed")
    try:
        with Workspace(copied, find_recipe("tiny")) as workspace:
            outcome = take_down(workspace, [workspace.takedowns().photos[0].id], "asked again")
        assert outcome.left == (vectors / "removed",)
    finally:
        shutil.rmtree(vectors / "removed")


def test_its_bytes_are_refused_under_another_name(copied):
    shards = [pq.read_table(path).to_pylist() for path in sorted((copied / "images/image_shards").glob("*/*.parquet"))]
    photo = next(row for rows in shards for row in rows if row["status"] == "success")
    with Workspace(copied, find_recipe("tiny")) as workspace:
        take_down(workspace, [photo["sha256"]])
        lines = (copied / "takedowns.jsonl").read_text()
        assert photo["sha256"] in lines
        # the id is forgotten, as if the same file came from another address
        (copied / "takedowns.jsonl").write_text(lines.replace(photo["id"], "another"))
        run_steps(workspace, [STEPS["photo_catalog"], STEPS["image_shards"]])
    rows = [
        row for path in (copied / "images/image_shards").glob("*/*.parquet") for row in pq.read_table(path).to_pylist()
    ]
    assert {row["status"] for row in rows if row["id"] == photo["id"]} == {"taken_down"}


def test_an_unknown_name_and_other_settings_change_nothing(copied):
    record = (copied / "takedowns.jsonl").read_text()
    for recipe, error, sentence in (
        ("tiny", InputError, "No photo in .* has the id, url or sha256 nosuch"),
        ("sandbox", SettingsError, "not up to date .* Give the --recipe"),
    ):
        with Workspace(copied, find_recipe(recipe)) as workspace, pytest.raises(error, match=sentence):
            take_down(workspace, ["nosuch"])
    assert (copied / "takedowns.jsonl").read_text() == record
