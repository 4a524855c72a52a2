"""What `verify` finds in a data folder, what it leaves alone, and that the next run mends it."""

from __future__ import annotations

import json
import os
import shutil
import threading
from pathlib import Path

import pytest

import clip_pipeline
from clip_pipeline.errors import SettingsError, StoreError, UnreadableArtifactError
from clip_pipeline.storage.artifacts import Store
from clip_pipeline.storage.damage import Kind
from clip_pipeline.storage.lock import exclusive_lock
from clip_pipeline.storage.manifest import MANIFEST, ArtifactKey, Built
from clip_pipeline.storage.manifest_file import SET_ASIDE
from clip_pipeline_tests.made.chance import TEST_SEED
from clip_pipeline_tests.made.damage import KINDS, damage
from clip_pipeline_tests.made.small_data import KEYS, WANTED, flip_bit, rebuild, small_data

VOCABULARY, SHARD = KEYS[:2]


@pytest.fixture
def store(tmp_path) -> Store:
    return small_data(tmp_path / "data")


def found(store: Store, kind: Kind | None = None, **options):
    """(artifact or place, what was found) of each finding of a kind; of the damage for None."""
    findings = clip_pipeline.verify(store.root, **options).findings
    chosen = [one for one in findings if (one.is_damage if kind is None else one.kind == kind)]
    return [(f"{one.asset}[{one.partition}]" if one.asset else one.place, one.found) for one in chosen]


def everything(root: Path) -> dict[str, tuple]:
    return {
        str(path): (state.st_mode, state.st_mtime_ns, state.st_size)
        for path in root.rglob("*")
        for state in [path.lstat()]
    }


def test_a_whole_folder_has_nothing_to_find_and_is_not_changed(store):
    before = everything(store.root)
    for options in ({}, {"deep": True}, {"sample": 50.0}):
        verification = clip_pipeline.verify(store.root, **options)
        assert verification.findings == ()
        assert (verification.artifacts, verification.files) == (4, 16)
    assert everything(store.root) == before


def test_each_flipped_bit_is_found_by_a_deep_look_and_named_as_hidden(store):
    import random

    chance = random.Random(TEST_SEED)
    files = [path for key in KEYS for path in sorted(store.folder(key).rglob("*")) if path.suffix in (".bin", ".csv")]
    for _ in range(40):
        path = chance.choice(files)
        whole, times = path.read_bytes(), path.stat()
        flip_bit(path, chance.randrange(8 * len(whole)))
        (damaged,) = clip_pipeline.verify(store.root, deep=True).damaged
        assert (
            damaged.hidden
            and damaged.found == f"{path.relative_to(store.root / damaged.place)} differs from its manifest"
        )
        assert not clip_pipeline.verify(store.root).damaged, "the look at sizes and times says that it does not see it"
        path.write_bytes(whole)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def test_what_was_set_aside_is_no_hit_and_no_input_and_the_next_run_mends_it(store):
    flip_bit(store.get(SHARD).file("a.bin"), 100)
    assert store.why_stale(SHARD, WANTED) == "", "a plain hit does not notice it"
    verification = clip_pipeline.verify(store.root, deep=True, repair=True)
    assert verification.repaired == ("image_shards[00000]",)
    assert store.why_stale(SHARD, WANTED) == "set aside by verify, which found it damaged"
    with pytest.raises(UnreadableArtifactError, match="cannot be used: set aside by verify"):
        store.get(SHARD)
    assert found(store) == [("image_shards[00000]", "was found damaged before, and set aside")]
    rebuild(store, SHARD)
    assert not clip_pipeline.verify(store.root, deep=True).findings


def test_repair_is_one_rename_and_leaves_alone_what_a_run_builds_or_has_built(store):
    from clip_pipeline.storage.damage import lock_file, look_at_artifact, set_aside

    flip_bit(store.get(SHARD).file("a.bin"), 100)
    looked = look_at_artifact(store.root, SHARD, lambda name: True)
    assert looked.findings[0].is_damage
    with exclusive_lock(lock_file(store.root, SHARD), "a run"):
        assert not set_aside(store.root, SHARD, looked.state)
    store.find(SHARD)
    shutil.rmtree(store.folder(SHARD))
    rebuild(store, SHARD)
    assert not set_aside(store.root, SHARD, looked.state), "it is another one by now"
    assert store.find(SHARD)


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (lambda folder: (folder / "a.bin").unlink(), "a.bin is missing"),
        (lambda folder: (folder / "a.bin").write_bytes(b"x"), "a.bin has 1 bytes"),
        (lambda folder: (folder / "a.bin").write_bytes(bytes((folder / "a.bin").stat().st_size)), "a.bin differs"),
        (lambda folder: shutil.rmtree(folder / "inside"), "inside/c.bin is missing"),
        (lambda folder: damage(folder / "a.bin", "a folder"), "a.bin is a folder, where"),
        (lambda folder: damage(folder / "a.bin", "a link"), "a.bin is a link to"),
        (lambda folder: damage(folder / "a.bin", "a pipe"), "a.bin is a pipe or device"),
        (lambda folder: (folder / MANIFEST).unlink(), "there are files and no manifest.json"),
        (lambda folder: [(folder / "a.bin").unlink(), (folder / "b.bin").unlink()], "and 1 more of its files"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("key", KEYS[1:], ids=str)
def test_what_a_quick_look_sees_the_next_run_sees_too(store, key, harm, says):
    harm(store.folder(key))
    ((name, text),) = found(store)
    assert name == str(key) and says in text
    assert store.why_stale(key, WANTED)
    rebuild(store, key)
    assert found(store) == []


@pytest.mark.parametrize("kind", KINDS)
def test_any_damage_of_a_manifest_is_found(store, kind):
    damage(store.folder(SHARD) / MANIFEST, kind)
    ((name, text),) = found(store)
    assert name == str(SHARD) and text.startswith("its manifest ")


def test_a_manifest_without_a_checksum_is_said_and_is_no_damage(store):
    path = store.folder(VOCABULARY) / MANIFEST
    manifest = json.loads(path.read_text())
    del manifest["checksum"]
    path.write_text(json.dumps(manifest))
    assert found(store, Kind.OLD) == [("vocabulary[]", "its manifest has no checksum of its own")]
    assert found(store) == []


def test_files_that_nothing_knows_are_named_each_folder_once(store):
    for name in ("a", "b", "c"):
        (store.folder(SHARD) / "inside" / name).write_text("x")
    (store.root / "images/stray.txt").write_text("x")
    (store.root / "notes").mkdir()
    assert found(store, Kind.UNKNOWN) == [
        ("notes", "a folder that nothing in here knows"),
        ("images/stray.txt", "a file that no manifest knows"),
        ("image_shards[00000]", "inside/a and 2 more files: no manifest knows them"),
    ]


def test_links_that_lead_out_are_named_and_followed_to_artifacts(store, tmp_path):
    outside = tmp_path / "other disk"
    (store.root / "images").rename(outside)
    (store.root / "images").symlink_to(outside)
    (store.folder(VOCABULARY) / "extra").symlink_to("/etc/hostname")
    flip_bit(outside / "image_shards/00000/a.bin", 5)
    ((place, text),) = found(store, Kind.LEADS_OUT)
    assert (place, text) == ("images", f"a link that leads out of the data folder, to {outside}")
    assert found(store, deep=True) == [("image_shards[00000]", "a.bin differs from its manifest")]
    assert found(store, Kind.UNKNOWN) == [("vocabulary[]", "extra: no manifest knows it")]


def test_a_link_that_goes_round_does_not_end_in_a_loop(store):
    (store.root / "images/image_shards/round").symlink_to(store.root)
    assert found(store) == []


def test_a_link_to_itself_is_named_and_stops_no_look(store):
    (store.root / "images/image_shards/loop").symlink_to("loop")
    assert found(store) == []
    assert found(store, Kind.UNKNOWN) == [("images/image_shards/loop", "a link that leads to itself")]


def test_pieces_of_killed_builds_are_named_and_those_of_builds_that_go_on_are_not(store):
    pieces = store.pieces_folder(SHARD) / "0123"
    pieces.mkdir(parents=True)
    (pieces / "1.journal").write_bytes(bytes(2_000_000))
    staging = store.root / ".staging" / VOCABULARY.relative
    staging.mkdir(parents=True)
    (staging / "words.txt").write_text("a")
    says = [
        (".staging/words/vocabulary", "1 files of a build that did not end, 0.0 MB"),
        (".work/images/image_shards/00000", "1 files of a build that did not end, 2.0 MB"),
    ]
    findings = [one for one in clip_pipeline.verify(store.root).findings if one.kind == Kind.LEFTOVER]
    assert [(one.place, one.found) for one in findings] == says
    from clip_pipeline.storage.damage import lock_file

    with exclusive_lock(lock_file(store.root, SHARD), "a run"):
        assert [place for place, _ in found(store, Kind.LEFTOVER)] == ["vocabulary[]"]


def test_half_a_publication_is_no_damage(store):
    folder = store.folder(VOCABULARY)
    folder.rename(folder.with_name(".vocabulary.previous"))
    assert found(store) == []
    ((_, text),) = found(store, Kind.LEFTOVER)
    assert "killed while it put the new artifact in place" in text


def test_artifacts_that_are_replaced_all_the_time_are_no_damage(store):
    stop = threading.Event()

    def publish() -> None:
        own = Store(store.root)
        while not stop.is_set():
            own.materialise(SHARD, WANTED, _write, force=True)

    writer = threading.Thread(target=publish)
    writer.start()
    try:
        for _ in range(25):
            assert found(store, deep=True) == []
    finally:
        stop.set()
        writer.join()


def _write(folder: Path, work: Path) -> Built:
    for name in ("a.bin", "b.bin"):
        (folder / name).write_bytes(os.urandom(50_000))
    return Built()


def test_a_sample_reads_that_share_says_its_seed_and_reads_the_same_again(store):
    one = clip_pipeline.verify(store.root, sample=30)
    again = clip_pipeline.verify(store.root, sample=30, seed=one.seed)
    assert 0.3 <= one.bytes_read / one.bytes < 0.75
    assert (one.bytes_read, one.files_read) == (again.bytes_read, again.files_read)
    assert clip_pipeline.verify(store.root, sample=100).bytes_read == one.bytes


def test_samples_of_other_seeds_find_in_the_end_what_a_deep_look_finds(store):
    flip_bit(store.get(SHARD).file("b.bin"), 9)
    assert any(found(store, sample=20, seed=seed) for seed in range(60))


def test_only_what_is_selected_is_looked_at(store):
    flip_bit(store.get(SHARD).file("b.bin"), 9)
    (store.root / "notes").mkdir()
    assert clip_pipeline.verify(store.root, deep=True, select="vocabulary").findings == ()
    assert clip_pipeline.verify(store.root, deep=True, select="images", partition="00001").findings == ()
    assert len(clip_pipeline.verify(store.root, deep=True, select="image_shards", partition="00000").findings) == 1


def test_wrong_names_and_folders_are_sentences(tmp_path):
    with pytest.raises(StoreError, match="is no folder, a data folder was expected"):
        clip_pipeline.verify(tmp_path / "nothing")
    with pytest.raises(SettingsError, match='There is no asset "imag_shards"'):
        clip_pipeline.verify(tmp_path, select="imag_shards")
    with pytest.raises(SettingsError, match="0 to 100 can be read"):
        clip_pipeline.verify(tmp_path, sample=101)


def test_a_folder_that_may_only_be_read_can_be_verified(store):
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    for path in [store.root, *store.root.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    assert found(store, deep=True) == []


def test_an_asset_of_before_is_damage_only_to_be_removed(store):
    key = ArtifactKey("training", "training_pictures", "64px")
    shutil.copytree(store.folder(SHARD), store.folder(key))
    (finding,) = clip_pipeline.verify(store.root).damaged
    assert finding.todo == "remove the folder training/training_pictures/64px: nothing reads it any more"


def test_a_marked_manifest_that_is_damaged_itself_is_damage(store):
    folder = store.folder(SHARD)
    (folder / MANIFEST).rename(folder / SET_ASIDE)
    (folder / SET_ASIDE).write_text("[")
    assert "manifest.damaged.json is no JSON" in found(store)[0][1]
    rebuild(store, SHARD)
    assert found(store) == []
