"""Images that were made to take memory or time: each is a row with a reason, or a photo, within seconds and a gigabyte."""

from __future__ import annotations

import itertools
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from clip_pipeline.images.download import decode_job, decode_pool
from clip_pipeline.images.download.check_photo import RejectedPhoto, check_photo, limits_of, planned_memory
from clip_pipeline.images.download.decode_pool import DecodePool
from clip_pipeline.images.download.journal import Entry, Journal
from clip_pipeline.settings import DownloadSettings
from clip_pipeline_tests.images.bad_decoders import BUSY
from clip_pipeline_tests.images.download.test_decode_pool import decode_all
from clip_pipeline_tests.images.photos import jpeg, scene
from clip_pipeline_tests.made.hostile_photos import hostile_photos, many_scans, webps, whole_png
from clip_pipeline_tests.made.image_files import encoded

SETTINGS = DownloadSettings()


def refused(content: bytes) -> str:
    """The reason, which came within a second."""
    started = time.process_time()
    rejected = check_photo(content, SETTINGS)
    assert time.process_time() - started < 1
    assert isinstance(rejected, RejectedPhoto)
    assert rejected.status == "too_costly"
    return rejected.message


def test_a_hundred_million_pixels_in_a_few_kilobytes_are_refused_with_what_they_would_take():
    content = webps()["of_100_million.webp"]
    assert len(content) < 20_000
    assert "takes 1,8" in (reason := refused(content))
    assert "MB of memory; 800 MB is the most (download.max_decode_memory=1000" in reason


@pytest.mark.parametrize(("color", "bytes_a_pixel"), [(6, 4), (3, 1)])
def test_a_png_of_nothing_is_refused(color, bytes_a_pixel):
    content = whole_png(10_000, 10_000, color, 8, bytes_a_pixel * 10_000)
    assert len(content) < 400_000
    assert "photo has fewer than 200 for each byte" in refused(content)


def test_a_jpeg_of_eight_thousand_scans_is_refused():
    assert refused(many_scans(8000, 2000, 1500)) == "JPEG: it comes in more than 100 scans"


def peak_bytes(family: int) -> int:
    """The most that the processes below one have held, each at its own worst moment."""
    children = Path(f"/proc/{family}/task/{family}/children").read_text().split()
    statuses = [Path(f"/proc/{child}/status").read_text() for child in children]
    return sum(int(status.split("VmHWM:")[1].split()[0]) * 1024 for status in statuses)


@pytest.mark.slow
def test_the_decoders_outlive_every_hostile_image(tmp_path):
    paths = hostile_photos(tmp_path / "photos")
    assert len(paths) >= 70
    peaks: list[int] = []
    contents = [path.read_bytes() for path in paths]
    with DecodePool(2) as decoders:
        attempts = decode_all(tmp_path / "journal", contents, decoders, SETTINGS)
        if sys.platform.startswith("linux"):
            peaks = [peak_bytes(family.pid) for family in decoders.families]
        assert len(decoders.families) == 1  # no clock and no crash ended one
    assert sum(peaks) < 1e9
    for path, attempt in zip(paths, attempts, strict=True):
        assert attempt is not None, path.name
        assert attempt["status"] == "success" or attempt["error_message"], path.name


@pytest.mark.slow
def test_large_photos_wait_for_their_turn_instead_of_being_refused(tmp_path):
    photos = [encoded(scene(seed, size=(2600, 2000)), "PNG", compress_level=1) for seed in range(2)] * 4
    wanted = planned_memory(photos[0], SETTINGS)
    tight = replace(SETTINGS, max_decode_memory=300)
    assert limits_of(tight).memory > wanted > limits_of(tight).memory / 3
    held: list[int] = []
    with DecodePool(4) as decoders:
        done = decoders.done

        def watched(*answer):
            held.append(decoders.held)
            done(*answer)

        decoders.done = watched
        attempts = decode_all(tmp_path, photos, decoders, tight)
        assert decoders.held == 0
    assert [attempt["status"] for attempt in attempts] == ["success"] * len(photos)
    assert max(held) <= limits_of(tight).memory


@pytest.mark.slow
def test_many_threads_with_photos_of_all_sizes_all_get_their_turn(tmp_path, monkeypatch):
    contents = [jpeg(scene(seed)) for seed in range(6)]
    sizes = itertools.cycle([90_000_000, 1_000_000, 60_000_000, 100_000_000, 20_000_000])
    monkeypatch.setattr(decode_job, "planned_memory", lambda content, settings: next(sizes))
    finished: list[Entry | None] = []
    with (
        DecodePool(2, check="clip_pipeline_tests.images.bad_decoders:light") as decoders,
        decoders.job(Journal(tmp_path).folder, replace(SETTINGS, max_decode_memory=300)) as job,
        ThreadPoolExecutor(24) as threads,
    ):
        for number in range(240):
            about = json.dumps({"id": str(number), "url": "u"}).encode()
            threads.submit(job.submit, about, contents[number % 6], finished.append)
        threads.shutdown()
        job.wait()
        assert (decoders.held, decoders.waiting) == (0, 0)
    assert len(finished) == 240


@pytest.mark.slow
def test_a_photo_that_takes_too_long_is_ended_by_its_clock_once_and_not_tried_again(tmp_path):
    contents = [jpeg(scene(1)), jpeg(scene(2)) + BUSY, *(jpeg(scene(seed)) for seed in range(3, 8))]
    started = time.monotonic()
    with DecodePool(1, check="clip_pipeline_tests.images.bad_decoders:check") as decoders:
        attempts = decode_all(tmp_path, contents, decoders, replace(SETTINGS, max_decode_seconds=1))
        assert len(decoders.families) <= 2
    assert [attempt is None for attempt in attempts] == [False, True, *[False] * 5]
    assert time.monotonic() - started < 60


def test_a_machine_with_less_memory_than_the_setting_says_so_and_keeps_to_what_it_has(monkeypatch, caplog):
    monkeypatch.setattr(decode_pool, "free_memory", lambda: 640_000_000)
    assert decode_pool.within_the_machine(SETTINGS).max_decode_memory == 640
    assert "Memory: 640 MB are free, fewer than download.max_decode_memory=1000" in caplog.text
    monkeypatch.setattr(decode_pool, "free_memory", lambda: 9_000_000_000)
    assert decode_pool.within_the_machine(SETTINGS) is SETTINGS
