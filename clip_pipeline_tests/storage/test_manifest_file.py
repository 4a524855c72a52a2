"""Manifests: believed where they are as they were written, those of before included; else a sentence, and built anew."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clip_pipeline.errors import UnreadableArtifactError
from clip_pipeline.storage.artifacts import Store
from clip_pipeline.storage.checked_json import checked_text
from clip_pipeline.storage.manifest import MANIFEST, ArtifactKey, Built, Wanted
from clip_pipeline_tests.made.damage import KINDS, damage, mutations

KEY = ArtifactKey("words", "vocabulary", "part-1")
WANTED = Wanted("1", {"min_count": 100}, {"counts": "abc"})


def build(folder: Path, work: Path) -> Built:
    (folder / "words.txt").write_text("a\n")
    (folder / "more").mkdir()
    (folder / "more/log.csv").write_text("1\n")
    return Built(rows={"words": 1}, facts={"loss": 0.5}, sidecars=("more/log.csv",))


def never_called(folder: Path, work: Path) -> Built:
    raise AssertionError("a fresh artifact must not be built again")


@pytest.fixture
def store(tmp_path) -> Store:
    store = Store(tmp_path / "data")
    store.materialise(KEY, WANTED, build)
    return store


def manifest_file(store: Store) -> Path:
    return store.folder(KEY) / MANIFEST


def without_checksum(path: Path, **changes: object) -> None:
    """As clip_pipeline wrote it before."""
    manifest = json.loads(path.read_text())
    del manifest["checksum"]
    path.write_text(json.dumps({**manifest, **changes}, indent=1, sort_keys=True))


def test_a_manifest_of_before_is_a_hit_and_gets_its_checksum_when_it_is_next_written(store):
    without_checksum(manifest_file(store))
    hit = store.materialise(KEY, WANTED, never_called)
    assert hit.hit
    assert not hit.artifact.has_checksum
    assert store.materialise(KEY, WANTED, build, force=True).artifact.has_checksum


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_manifest_is_a_sentence_and_the_next_run_builds_the_artifact(store, kind):
    damage(manifest_file(store), kind)
    assert store.find(KEY) is None
    assert store.why_stale(KEY, WANTED).startswith("its manifest ")
    with pytest.raises(
        UnreadableArtifactError, match=r"vocabulary\[part-1\] is needed and cannot be used: its manifest .* first"
    ):
        store.get(KEY)
    again = store.materialise(KEY, WANTED, build)
    assert again.reason.startswith("its manifest ")
    assert store.materialise(KEY, WANTED, never_called).hit


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"fingerprint": "0" * 64}, "its fingerprint is not that of its settings"),
        ({"config": {"min_count": 5}}, "its fingerprint is not that of its settings"),
        ({"content": "0" * 64}, "its content hash does not match"),
        ({"files": {}}, "its content hash does not match"),
        ({"files": {"../../etc/passwd": {"bytes": 1, "mtime_ns": 1, "sha256": "0" * 64, "sidecar": True}}}, "impossible value of files"),
        ({"files": {"a": {"bytes": True, "mtime_ns": 1, "sha256": "0" * 64, "sidecar": True}}}, "impossible value of files"),
        ({"seconds": float("nan")}, "impossible value of seconds: 'nan'"),
        ({"version": "new"}, "impossible value of version"),
        ({"rows": {"words": "1"}}, "impossible value of rows"),
        ({"partition": "part-2"}, r"is of vocabulary\[part-2\]"),
        ({"chacksum": "0" * 64}, "holds the unknown name 'chacksum'"),
    ],
)  # fmt: skip
def test_a_manifest_of_before_that_does_not_agree_with_itself_is_not_believed(store, changes, reason):
    without_checksum(manifest_file(store), **changes)
    assert re.search(reason, store.why_stale(KEY, WANTED))


def test_a_manifest_that_lacks_something_is_not_believed(store):
    path = manifest_file(store)
    manifest = json.loads(path.read_text())
    del manifest["checksum"], manifest["inputs"]
    path.write_text(json.dumps(manifest))
    assert store.why_stale(KEY, WANTED) == "its manifest says nothing of inputs"


def test_a_manifest_of_a_later_version_may_say_more(store):
    path = manifest_file(store)
    manifest = json.loads(path.read_text())
    del manifest["checksum"]
    path.write_text(checked_text({**manifest, "version": "9.1.0", "compression": "zstd"}))
    assert store.materialise(KEY, WANTED, never_called).hit


@settings(max_examples=300)
@given(drawn=st.data())
def test_a_changed_manifest_says_what_it_said_or_is_refused(tmp_path_factory, drawn):
    store = Store(tmp_path_factory.getbasetemp() / "changed manifests")
    artifact = store.materialise(KEY, WANTED, build).artifact
    real = manifest_file(store).read_bytes()
    manifest_file(store).write_bytes(drawn.draw(mutations(real)))
    found = store.find(KEY)
    assert found.manifest == artifact.manifest if found else store.why_unreadable(KEY)
    manifest_file(store).write_bytes(real)


def test_a_file_changed_in_the_moment_of_its_record_is_noticed_although_size_and_time_are_kept(store):
    artifact = store.get(KEY)
    file = artifact.file("words.txt")
    times = file.stat()
    os.utime(manifest_file(store), ns=(times.st_mtime_ns, times.st_mtime_ns))  # on a disk that counts whole seconds
    file.write_text("b\n")
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert store.why_stale(KEY, WANTED) == "words.txt differs from its manifest"


def test_a_file_that_became_a_link_is_noticed_although_what_it_leads_to_is_the_same(store, tmp_path):
    file = store.get(KEY).file("words.txt")
    outside = tmp_path / "outside.txt"
    file.rename(outside)
    file.symlink_to(outside)
    assert store.why_stale(KEY, WANTED) == f"words.txt is a link to {outside}, where a file was written"
