"""A photo that is taken down is gone from every artifact, nothing else changes, and it does not come back."""

from __future__ import annotations

import hashlib
import shutil
import tarfile
import threading
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from clip_pipeline.api.status import status
from clip_pipeline.errors import InputError, SettingsError
from clip_pipeline.images.download.journal import Journal
from clip_pipeline.images.takedown import BEGUN_FILE, Takedown, begin_take_down
from clip_pipeline.pipeline.graph import STEPS
from clip_pipeline.pipeline.run import run_steps
from clip_pipeline.pipeline.takedown import take_down
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.settings.recipes import find_recipe
from clip_pipeline.sources.fetch import PhotoFetcher
from clip_pipeline.storage.artifacts import Store
from clip_pipeline.storage.lock import exclusive_lock
from clip_pipeline.storage.manifest import Artifact, ArtifactKey, Built, Wanted


@pytest.fixture(scope="module")
def copied(tiny_data, tmp_path_factory) -> Path:
    """The tiny run without its scores, which would only take time here."""
    folder = tmp_path_factory.mktemp("takedown") / "data"
    shutil.copytree(tiny_data, folder, ignore=shutil.ignore_patterns("evaluation"))
    return folder


def shard_bytes(folder: Path) -> dict[str, bytes]:
    return {path.stem: path.read_bytes() for path in sorted((folder / "images/image_shards").glob("*/*.tar"))}


def vectors_of_shards(folder: Path) -> dict[str, bytes]:
    return {path.parts[-3]: path.read_bytes() for path in sorted(folder.glob("embedding/shard_embeddings/*/*/*.npy"))}


def ids_in(folder: Path) -> set[str]:
    tables = [folder / "images/photo_catalog/photos.parquet", *(folder / "images/image_shards").glob("*/*.parquet")]
    pairs = folder / "images/image_text_pairs/pairs.parquet"
    found = {photo for path in tables for photo in pq.read_table(path)["id"].to_pylist()}
    if pairs.exists():
        found |= set(pq.read_table(pairs)["photo_id"].to_pylist())
    vectors = folder / "embedding"
    for keys in (
        *(vectors / "image_embeddings/held_out").rglob("*.parquet"),
        *vectors.glob("shard_embeddings/*/*/*.parquet"),
    ):
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
    shard_vectors = vectors_of_shards(copied)
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
    after_vectors = vectors_of_shards(copied)
    assert {shard for shard in shard_vectors if after_vectors[shard] != shard_vectors[shard]} == {photo["shard"]}
    catalog = {path: path.read_bytes() for path in (copied / "images/photo_catalog").rglob("*.parquet")}
    with Workspace(copied, find_recipe("tiny")) as workspace:
        run_steps(workspace, [STEPS["photo_catalog"], STEPS["image_shards"]], force=True)
    assert {path: path.read_bytes() for path in catalog} == catalog, "as a run without the photo makes it"
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


def copied_as(folder: Path, store: Store, key: ArtifactKey, partition: str) -> Path:
    """The artifact once more, under another partition, as a variant that was removed since leaves it."""
    old = store.get(key)
    other = Artifact(ArtifactKey(key.stage, key.asset, partition), folder, {})
    wanted = Wanted(old.manifest["code_version"], old.manifest["config"], old.manifest["inputs"])

    def build(staging: Path, work: Path) -> Built:
        shutil.copytree(old.folder, staging, dirs_exist_ok=True, ignore=shutil.ignore_patterns("manifest.json"))
        return Built(old.rows, old.facts)

    return store.materialise(other.key, wanted, build).artifact.folder


def test_what_cannot_be_built_again_is_removed_where_it_was_made_of_the_photos_alone(copied):
    store = Store(copied)
    name = store.partitions("embedding", "image_embeddings")[0].partition("|")[2]
    of_photos, of_others = (
        copied_as(
            copied, store, ArtifactKey("embedding", "image_embeddings", f"{dataset}|{name}"), f"{dataset}|removed"
        )
        for dataset in ("held_out", "sandbox")
    )
    with Workspace(copied, find_recipe("tiny")) as workspace:
        take_down(workspace, [workspace.takedowns().photos[0].id], "asked again")
    assert not of_photos.exists() and of_others.exists()
    shutil.rmtree(of_others)


def begin(folder: Path) -> str:
    """A take-down that was killed as soon as it had begun; the id of its photo."""
    photo = sorted(ids_in(folder))[3]
    begin_take_down(folder, [Takedown(photo)])
    return photo


def test_a_run_ends_a_take_down_that_was_killed(copied):
    photo = begin(copied)
    with Workspace(copied, find_recipe("tiny")) as workspace:
        run_steps(workspace, [STEPS["vocabulary"]])
        assert workspace.takedowns().ids >= {photo}
    assert photo not in ids_in(copied) | set(texts_in_tars(copied).split('"'))
    assert not (copied / BEGUN_FILE).exists()


def test_status_ends_it_too_and_builds_nothing(copied):
    photo = begin(copied)
    states = {entry.asset: entry.state for entry in status("tiny", copied)}
    assert photo not in ids_in(copied) | set(texts_in_tars(copied).split('"'))
    assert states["image_shards"] == states["photo_catalog"] == "fresh"
    assert not (copied / "images/image_text_pairs").exists()
    with Workspace(copied, find_recipe("tiny")) as workspace:
        run_steps(workspace, [STEPS["image_text_pairs"], STEPS["decoded_images"]])


def test_a_shard_that_lies_aside_and_a_journal_of_a_killed_run_lose_the_photo_as_well(copied):
    folder = copied / "images/image_shards"
    shutil.copytree(folder / "00001", folder / ".00009.previous")
    photo = pq.read_table(folder / "00001/00001.parquet").to_pylist()[2]["id"]
    journal = Journal(copied / ".work/images/image_shards/00001/pieces/shared-form")
    for name in (photo, "another"):
        journal.write(
            {"id": name, "url": name, "status": "success", "sha256": hashlib.sha256(name.encode()).hexdigest()},
            name.encode() * 100,
        )
    journal.close()
    with Workspace(copied, find_recipe("tiny")) as workspace:
        take_down(workspace, [photo])
    assert photo not in ids_in(copied) | set(texts_in_tars(copied).split('"'))
    assert not [path for path in copied.rglob("*.journal") if photo.encode() in path.read_bytes()]
    assert ("another", "another") in Journal(journal.folder)
    assert not list(copied.rglob(".*.previous"))
    for rest in (folder / "00009", journal.folder.parent):
        shutil.rmtree(rest, ignore_errors=True)


def test_who_builds_something_with_photos_is_waited_for(copied):
    store, order = Store(copied), []
    with exclusive_lock(copied / ".locks/photos.lock", "", shared=True):

        def alone() -> None:
            with store.alone():
                order.append("alone")

        waiting = threading.Thread(target=alone)
        waiting.start()
        waiting.join(0.3)
        order.append("built")
    waiting.join()
    assert order == ["built", "alone"]


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
