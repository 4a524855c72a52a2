"""Pictures that were made to take memory or time: each is a row with a reason, or a photo, within seconds and a gigabyte."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from clip_pipeline.images.download.check_photo import RejectedPhoto, check_photo
from clip_pipeline.images.download.decode_pool import DecodePool
from clip_pipeline.settings import DownloadSettings
from clip_pipeline_tests.images.download.test_decode_pool import decode_all
from clip_pipeline_tests.made.hostile_photos import hostile_photos, many_scans, webps, whole_png

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
def test_the_decoders_outlive_every_hostile_picture(tmp_path):
    paths = hostile_photos(tmp_path / "photos")
    assert len(paths) >= 70
    peaks: list[int] = []
    started = time.monotonic()
    contents = [path.read_bytes() for path in paths]
    with DecodePool(2) as decoders:
        attempts = decode_all(tmp_path / "journal", contents, decoders, SETTINGS)
        if sys.platform.startswith("linux"):
            peaks = [peak_bytes(family.pid) for family in decoders.families]
    assert time.monotonic() - started < 60
    assert sum(peaks) < 1e9
    for path, attempt in zip(paths, attempts, strict=True):
        assert attempt is not None, path.name
        assert attempt["status"] == "success" or attempt["error_message"], path.name
