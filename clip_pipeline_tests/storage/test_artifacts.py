"""The store: what makes an artifact fresh, and what survives a crash."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from clip_pipeline.errors import DiskError, MissingArtifactError, StoreError
from clip_pipeline.pipeline.checks.program_files import check_program_files
from clip_pipeline.storage.artifacts import Store
from clip_pipeline.storage.disk_faults import disk_errors
from clip_pipeline.storage.manifest import MANIFEST, ArtifactKey, Built, Wanted

KEY = ArtifactKey("words", "vocabulary")


def wanted(code_version: str = "1", **inputs: str) -> Wanted:
    return Wanted(code_version, {"min_count": 100}, inputs or {"counts": "abc"})


def build_text(text: str):
    def build(folder: Path, work: Path) -> Built:
        (folder / "words.txt").write_text(text)
        (folder / "log.csv").write_text(str(time.time_ns()))
        return Built(rows={"words": 1}, sidecars=("log.csv",))

    return build


def never_called(folder: Path, work: Path) -> Built:
    raise AssertionError("a fresh artifact must not be built again")


def test_a_second_materialisation_is_a_hit_and_builds_nothing(tmp_path):
    store = Store(tmp_path)
    first = store.materialise(KEY, wanted(), build_text("a"))
    second = store.materialise(KEY, wanted(), never_called)
    assert (first.hit, second.hit) == (False, True)
    assert second.artifact.file("words.txt").read_text() == "a"


def test_partitions_are_those_that_are_whole_and_in_their_place(tmp_path):
    store = Store(tmp_path)
    for partition in ("b|y", "a|x", "a|z"):
        store.materialise(ArtifactKey("evaluation", "scores", partition), wanted(), build_text(partition))
    store.materialise(KEY, wanted(), build_text("a"))
    shutil.copytree(tmp_path / "evaluation/scores/a/x", tmp_path / "evaluation/scores/a/.w.previous")
    (tmp_path / "evaluation/scores/a/z" / MANIFEST).unlink()
    assert store.partitions("evaluation", "scores") == ["a|x", "b|y"]
    assert store.partitions("words", "vocabulary") == [""]
    assert store.partitions("words", "word_counts") == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (Wanted("2", {"min_count": 100}, {"counts": "abc"}), "its code changed (version 1, now 2)"),
        (Wanted("1", {"min_count": 50}, {"counts": "abc"}), "the setting min_count changed from 100 to 50"),
        (Wanted("1", {"min_count": 100}, {"counts": "xyz"}), "its input counts changed"),
    ],
)
def test_code_settings_and_inputs_make_it_stale_and_the_reason_says_which(tmp_path, change, reason):
    store = Store(tmp_path)
    store.materialise(KEY, wanted(), build_text("a"))
    assert store.why_stale(KEY, change) == reason
    assert not store.materialise(KEY, change, build_text("b")).hit


def test_equal_bytes_give_an_equal_content_hash_whatever_the_sidecars_say(tmp_path):
    store = Store(tmp_path)
    first = store.materialise(KEY, wanted(), build_text("a")).artifact
    again = store.materialise(KEY, wanted("2"), build_text("a")).artifact
    other = store.materialise(KEY, wanted("3"), build_text("b")).artifact
    assert first.content == again.content != other.content
    assert first.fingerprint != again.fingerprint


def test_a_file_that_was_deleted_or_changed_makes_it_stale(tmp_path):
    store = Store(tmp_path)
    path = store.materialise(KEY, wanted(), build_text("a")).artifact.file("words.txt")
    path.write_text("b")
    assert "differs from its manifest" in store.why_stale(KEY, wanted())
    path.unlink()
    assert store.why_stale(KEY, wanted()) == "words.txt is missing"


def test_a_touched_file_with_the_same_bytes_is_still_fresh(tmp_path):
    store = Store(tmp_path)
    path = store.materialise(KEY, wanted(), build_text("a")).artifact.file("words.txt")
    os.utime(path, (1, 1))
    assert store.why_stale(KEY, wanted()) == ""


def test_a_build_that_fails_leaves_the_old_artifact_and_its_pieces(tmp_path):
    store = Store(tmp_path)
    store.materialise(KEY, wanted(), build_text("a"))

    def fail(folder: Path, work: Path) -> Built:
        (folder / "words.txt").write_text("half")
        (work / "piece").write_text("done")
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError):
        store.materialise(KEY, wanted("2"), fail)
    assert store.get(KEY).file("words.txt").read_text() == "a"

    def resume(folder: Path, work: Path) -> Built:
        assert list(folder.iterdir()) == []
        (folder / "words.txt").write_text((work / "piece").read_text())
        return Built()

    assert store.materialise(KEY, wanted("2"), resume).artifact.file("words.txt").read_text() == "done"
    assert not list((tmp_path / ".work").rglob("piece"))


def test_pieces_of_another_fingerprint_are_not_handed_on(tmp_path):
    store = Store(tmp_path)

    def fail(folder: Path, work: Path) -> Built:
        (work / "piece").write_text("old")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        store.materialise(KEY, wanted("1"), fail)

    def look(folder: Path, work: Path) -> Built:
        assert list(work.iterdir()) == []
        return Built()

    store.materialise(KEY, wanted("2"), look)


def test_a_run_killed_between_the_two_renames_leaves_the_old_artifact(tmp_path):
    store = Store(tmp_path)
    folder = store.materialise(KEY, wanted(), build_text("a")).artifact.folder
    folder.rename(folder.with_name(".vocabulary.previous"))
    assert store.get(KEY).file("words.txt").read_text() == "a"
    assert store.materialise(KEY, wanted(), never_called).hit


def test_a_run_killed_after_the_two_renames_leaves_no_old_artifact_beside_the_new_one(tmp_path):
    store = Store(tmp_path)
    folder = store.materialise(KEY, wanted(), build_text("new")).artifact.folder
    old = folder.with_name(".vocabulary.previous")
    shutil.copytree(folder, old)
    assert store.get(KEY).file("words.txt").read_text() == "new"
    assert not old.exists()


KILLED_WRITER = """
import sys
from pathlib import Path
from clip_pipeline.storage.artifacts import Store
from clip_pipeline.storage.manifest import ArtifactKey, Built, Wanted

def build(version):
    def write(folder, work):
        for number in range(20):
            (folder / f"{number}.txt").write_text(str(version) * 1000)
        return Built()
    return write

store = Store(sys.argv[1])
for version in range(100_000):
    store.materialise(ArtifactKey("words", "vocabulary"), Wanted(str(version), {}, {}), build(version))
    print("built", flush=True)
"""


@pytest.mark.slow
def test_killed_at_any_moment_there_is_one_whole_artifact(tmp_path):
    store = Store(tmp_path)
    for attempt in range(6):
        process = subprocess.Popen([sys.executable, "-c", KILLED_WRITER, tmp_path], stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.05 + 0.023 * attempt)
        process.send_signal(signal.SIGKILL)
        process.wait()
        artifact = store.get(KEY)
        assert store.verify(artifact, deep=True) == ""
        assert len({path.read_text() for path in artifact.folder.glob("*.txt")}) == 1


def _count_builds(root: Path, results) -> None:
    def build(folder: Path, work: Path) -> Built:
        time.sleep(0.3)
        (folder / "a.txt").write_text("a")
        return Built()

    results.put(Store(root).materialise(KEY, wanted(), build).hit)


def test_two_processes_build_once_and_the_second_waits(tmp_path):
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    processes = [context.Process(target=_count_builds, args=(tmp_path, results)) for _ in range(2)]
    for process in processes:
        process.start()
    assert sorted(results.get(timeout=60) for _ in processes) == [False, True]
    for process in processes:
        process.join()


def test_a_missing_input_says_what_to_run(tmp_path):
    with pytest.raises(MissingArtifactError, match="vocabulary is needed .* Materialise vocabulary first"):
        Store(tmp_path).get(KEY)


def test_a_damaged_manifest_counts_as_missing(tmp_path):
    store = Store(tmp_path)
    folder = store.materialise(KEY, wanted(), build_text("a")).artifact.folder
    (folder / MANIFEST).write_text("{")
    assert store.find(KEY) is None


def test_a_partition_cannot_leave_its_folder():
    with pytest.raises(StoreError, match="would leave its folder"):
        ArtifactKey("words", "word_counts", "../../etc")


def test_a_full_disk_is_a_sentence(tmp_path):
    def fill(folder: Path, work: Path) -> Built:
        with Path("/dev/full").open("w") as stream:
            stream.write("x" * 100_000)
        return Built()

    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    with pytest.raises(DiskError, match=r"disk that holds .* is full .* Free some space"):
        Store(tmp_path).materialise(KEY, wanted(), fill)


def test_a_folder_without_the_right_to_write_is_a_sentence(tmp_path):
    with pytest.raises(DiskError, match="cannot be written"), disk_errors(tmp_path):
        raise PermissionError(13, "Permission denied", str(tmp_path / "x"))


def test_an_error_elsewhere_on_the_disk_is_not_blamed_on_the_data_folder(tmp_path):
    with pytest.raises(PermissionError), disk_errors(tmp_path / "data"):
        raise PermissionError(13, "Permission denied", "/etc/shadow")


def test_what_a_killed_run_left_of_a_finished_artifact_goes_with_the_next_hit(tmp_path):
    store = Store(tmp_path)
    store.materialise(KEY, wanted(), build_text("a"))
    assert not store.pieces_folder(KEY).exists() and not (tmp_path / ".staging" / KEY.relative).exists()
    left = tmp_path / ".staging" / KEY.relative / "piece"
    left.mkdir(parents=True)
    assert store.materialise(KEY, wanted(), build_text("a")).hit and not left.parent.exists()


def test_what_a_killed_removal_left_goes_with_the_next_command_that_is_alone(tmp_path, monkeypatch):
    store = Store(tmp_path)
    store.materialise(KEY, wanted(), build_text("a"))
    with monkeypatch.context() as killed:
        killed.setattr(shutil, "rmtree", lambda *_, **__: None)  # as a kill after the rename
        store.remove(KEY)
    assert store.find(KEY) is None
    left = [path for path in (tmp_path / ".removed").rglob("*") if path.is_file()]
    assert left
    assert [one.place for one in check_program_files(tmp_path, False) if one.place.startswith(".removed/")]
    with store.alone():
        pass
    assert not any(path.is_file() for path in (tmp_path / ".removed").rglob("*"))
    store.materialise(KEY, wanted(), build_text("a"))
    store.remove(KEY)
    assert not list((tmp_path / ".removed").iterdir())


def build_in_pieces(folder: Path, work: Path) -> Built:
    """Says in its text which pieces it found."""
    (folder / "words.txt").write_text(" ".join(path.name for path in sorted(work.iterdir())))
    (work / "piece").write_text("what took a day")
    return Built()


class Killed(BaseException):
    """No handler of the store's may see it: a kill runs none of them."""


def killed_in(monkeypatch, name: str, store: Store, key: ArtifactKey) -> None:
    def die(*arguments):
        raise Killed

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(name, die)
        store.materialise(key, wanted(), build_in_pieces)


def test_pieces_of_a_run_that_was_killed_after_it_had_published_go_with_the_next_hit(tmp_path, monkeypatch):
    store = Store(tmp_path)
    killed_in(monkeypatch, "clip_pipeline.storage.disk.sync_path", store, KEY)
    killed_in(monkeypatch, "clip_pipeline.storage.artifacts.used_pieces", store, KEY)
    assert any(path.name == "piece" for path in (tmp_path / ".work").rglob("*"))
    assert store.materialise(KEY, wanted(), never_called).hit
    assert not [path for path in (tmp_path / ".work").rglob("*") if path.is_file()]


def test_a_run_that_was_killed_before_its_artifact_took_its_place_gets_its_pieces_back(tmp_path, monkeypatch):
    store = Store(tmp_path)
    killed_in(monkeypatch, "clip_pipeline.storage.artifacts.swap_in", store, KEY)
    built = store.materialise(KEY, wanted(), build_in_pieces)
    assert built.artifact.file("words.txt").read_text() == "piece"
    assert not [path for path in (tmp_path / ".work").rglob("*") if path.is_file()]
