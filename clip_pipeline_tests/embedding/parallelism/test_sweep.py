"""The sweep over processes × threads: its sweep, its table, its resumption, and its real processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from clip_pipeline.embedding.parallelism.figure import draw_sweep
from clip_pipeline.embedding.parallelism.sweep import grid_of, lay_ready, run_sweep, write_table
from clip_pipeline.embedding.parallelism.trial import Work, measure_trial, shares
from clip_pipeline.embedding.parallelism.worker import pieces
from clip_pipeline.errors import EmbeddingProcessError, PhotosError, SettingsError
from clip_pipeline.machine.cores import usable_cores
from clip_pipeline.records import PARALLELISM
from clip_pipeline_tests.made.tiny_model import build_tiny_model, jpeg

WORK = Work("model", "torch_fp32", "cache", "images", 10, photos=120, repeats=3)


def plenty() -> int:
    return 10**12


class Measured:
    """In the place of real processes: so many seconds a trial, and a list of which trials were measured."""

    def __init__(self, stop_after: int = 1000, memory_mb: float = 100.0):
        self.trials: list[tuple[int, int]] = []
        self.stop_after, self.memory_mb = stop_after, memory_mb

    def __call__(self, work: Work, processes: int, threads: int) -> dict:
        if len(self.trials) == self.stop_after:
            raise KeyboardInterrupt
        self.trials.append((processes, threads))
        seconds = 12 / (processes * threads) ** 0.5
        kinds = {"extraction": [seconds, seconds * 2, seconds / 2], "end_to_end": [seconds * 3] * 3}
        return {"seconds": kinds, "memory_mb": self.memory_mb * processes}


def test_the_grid():
    assert grid_of("", "", 2) == [(1, 1), (1, 2), (2, 1), (2, 2)]
    assert grid_of("", "", 1) == [(1, 1)]
    six = grid_of("", "", 6)
    assert {one for one, _ in six} == {1, 2, 4, 6} and (6, 2) in six and (6, 4) not in six
    assert grid_of("48", "1,2", 2) == [(1, 1), (48, 1), (48, 2)], "what is asked for in full is taken"
    for wrong in ("two", "0", "1;2", "-1"):
        with pytest.raises(SettingsError, match="parallelism.processes is .*Expected numbers from 1"):
            grid_of(wrong, "1", 2)


@pytest.mark.parametrize("photos, processes", [(120, 1), (120, 7), (3, 5), (1, 1)])
def test_the_processes_share_all_photos_once(photos, processes):
    rows = [row for start, stop in shares(photos, processes) for row in range(start, stop)]
    assert rows == list(range(photos))


@pytest.mark.parametrize("start, stop, images", [(0, 300, 70), (65, 66, 10), (5, 5, 3), (130, 500, 64)])
def test_the_pieces_of_a_share_go_through_the_images_in_turn(start, stop, images):
    slices = list(pieces(start, stop, images))
    assert [row for first, last in slices for row in range(first, last)] == [row % images for row in range(start, stop)]
    assert all(0 < last - first <= 64 for first, last in slices)


@pytest.mark.slow
def test_the_table_by_hand(tmp_path, monkeypatch):
    monkeypatch.setattr("clip_pipeline.embedding.parallelism.sweep.usable_cores", lambda: 4)
    rows = run_sweep([(1, 1), (2, 2), (4, 4)], WORK, tmp_path, plenty, Measured())
    assert [(row["kind"], row["processes"], row["threads"]) for row in rows][:3] == [
        ("extraction", 1, 1), ("extraction", 2, 2), ("extraction", 4, 4),
    ]  # fmt: skip
    one, four, sixteen = rows[:3]
    assert (one["photos_per_second"], one["slowest"], one["fastest"]) == (10, 5, 20)
    assert (one["speedup"], one["scaling_efficiency"], one["memory_mb"]) == (1, 1, 100)
    assert (four["photos_per_second"], four["speedup"], four["scaling_efficiency"]) == (20, 2, 0.5)
    assert (sixteen["speedup"], sixteen["scaling_efficiency"], sixteen["photos_per_second_per_core"]) == (4, 1.0, 10), (
        "four cores"
    )
    assert rows[3]["kind"] == "end_to_end" and rows[3]["photos_per_second"] == pytest.approx(120 / 36)
    names = write_table(rows, tmp_path)
    assert pq.read_table(tmp_path / names[0]).schema.equals(PARALLELISM)
    assert json.loads((tmp_path / "parallelism.json").read_text()) == rows
    assert len((tmp_path / "parallelism.csv").read_text().splitlines()) == 7
    draw_sweep(rows, tmp_path / "map.png")
    assert (tmp_path / "map.png").stat().st_size > 5000


def test_a_sweep_that_was_stopped_goes_on_with_the_next_trial(tmp_path):
    trials = [(1, 1), (1, 2), (2, 1), (2, 2)]
    first, second = Measured(stop_after=2), Measured()
    with pytest.raises(KeyboardInterrupt):
        run_sweep(trials, WORK, tmp_path, plenty, first)
    (tmp_path / "trial_2x1.unfinished").write_text('{"seconds": {"extr')
    rows = run_sweep(trials, WORK, tmp_path, plenty, second)
    assert first.trials == trials[:2] and second.trials == trials[2:]
    assert len(rows) == 8 and {row["status"] for row in rows} == {"measured"}


@pytest.mark.slow
def test_a_trial_that_would_not_fit_into_memory_is_a_row_that_says_so(tmp_path):
    measure = Measured(memory_mb=1000)
    rows = run_sweep([(1, 1), (2, 1), (8, 1)], WORK, tmp_path, lambda: 3 * 2**30, measure)
    assert measure.trials == [(1, 1), (2, 1)]
    assert rows[2]["status"] == "left out: needs about 8.4 GB, and 3.2 GB are free"
    assert rows[2]["photos_per_second"] is None and rows[2]["memory_mb"] is None
    write_table(rows, tmp_path)
    draw_sweep(rows, tmp_path / "map.png")
    assert not (tmp_path / "trial_8x1.json").exists(), "with more memory it is measured"


# ---- with real processes


@pytest.fixture(scope="module")
def ready(tmp_path_factory) -> Work:
    folder = tmp_path_factory.mktemp("sweep")
    images = [(f"p{n}", jpeg((n * 5, 99, 255 - n * 5))) for n in range(20)]
    model = build_tiny_model(folder)
    count = lay_ready(model, [*images, ("broken", b"no photo")], folder)
    assert count == 20, "the broken one is left out"
    return Work(str(model), "torch_fp32", str(folder), str(folder), count, photos=50, repeats=2)


@pytest.mark.slow
def test_real_processes_embed_every_photo_and_are_gone_afterwards(ready):
    found = measure_trial(ready, 2, 1)
    assert {kind: len(seconds) for kind, seconds in found["seconds"].items()} == {"extraction": 2, "end_to_end": 2}
    assert all(0 < one < 60 for seconds in found["seconds"].values() for one in seconds)
    if sys.platform.startswith("linux"):
        assert found["memory_mb"] > 100
    assert not children_of(os.getpid())


@pytest.mark.slow
def test_a_process_that_cannot_start_is_told(ready, capfd):
    from dataclasses import replace

    with pytest.raises(EmbeddingProcessError, match="A process of 1 × 1 threads ended with status 1"):
        measure_trial(replace(ready, model="/no/such/model"), 1, 1)
    assert not children_of(os.getpid())


def test_no_photos_at_all_are_told(ready, tmp_path):
    with pytest.raises(PhotosError, match="no photos to measure with"):
        lay_ready(ready.model, [], tmp_path)


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_sweep_that_is_killed_leaves_no_process_behind(ready, tmp_path):
    from dataclasses import asdict

    endless = asdict(ready) | {"photos": 10**6}
    code = (
        "import json, sys; from clip_pipeline.embedding.parallelism.trial import Work, measure_trial\n"
        "measure_trial(Work(**json.loads(sys.argv[1])), 2, 1)"
    )
    sweep = subprocess.Popen([sys.executable, "-c", code, json.dumps(endless)], stderr=subprocess.DEVNULL)
    workers: set[int] = set()
    deadline = time.monotonic() + 300  # the workers import torch, on a machine that may be busy
    try:
        while len(workers) < 2 or not all(map(at_work, workers)):
            assert time.monotonic() < deadline and sweep.poll() is None
            time.sleep(0.1)
            workers = children_of(sweep.pid)
        time.sleep(1)
    finally:
        sweep.send_signal(signal.SIGKILL)
        sweep.wait()
    deadline = time.monotonic() + 60
    while any(Path(f"/proc/{worker}/cmdline").exists() and cmdline(worker) for worker in workers):
        assert time.monotonic() < deadline, "they read that their parent is gone"
        time.sleep(0.1)


def cmdline(process: int) -> bytes:
    """Empty for a process that has ended and that nobody has waited for."""
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return b""


def children_of(parent: int) -> set[int]:
    """Processes of the sweep below a process."""
    found = set()
    for place in Path("/proc").iterdir():
        if place.name.isdigit():
            try:
                of = int((place / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            if of == parent and b"parallelism.worker" in cmdline(int(place.name)):
                found.add(int(place.name))
    return found


def at_work(process: int) -> bool:
    """Whether it has its model and its pixels."""
    try:
        return "pixels.npy" in Path(f"/proc/{process}/maps").read_text()
    except OSError:
        return False


def test_cores_are_those_that_this_process_may_use():
    assert 1 <= usable_cores() <= (os.cpu_count() or 1)
