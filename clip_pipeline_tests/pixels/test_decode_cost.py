"""What decoding may cost, and who may decode now."""

from __future__ import annotations

import threading

import pytest

from clip_pipeline.errors import ImageError
from clip_pipeline.pixels import decode as decoding
from clip_pipeline.pixels.decode import decode, decoded
from clip_pipeline.pixels.decode_cost import DOWNLOAD_MB, LIMITS, SECONDS, DecodeLimits, MemoryBudget
from clip_pipeline.pixels.headers.header import CostlyImage, ImageHeader
from clip_pipeline.settings import DownloadSettings
from clip_pipeline_tests.images.photos import jpeg, scene
from clip_pipeline_tests.made.hostile_photos import many_scans, webps, whole_png
from clip_pipeline_tests.made.image_files import encoded


def test_the_limits_of_downloads_and_of_all_other_doors_are_the_same_by_default():
    settings = DownloadSettings()
    assert (settings.max_decode_memory, settings.max_decode_seconds) == (DOWNLOAD_MB, SECONDS)


def test_a_limit_says_what_it_refuses_by_which_setting():
    limits = DecodeLimits(100_000_000, 2, " (download.max_decode_memory=300)", " (download.max_decode_seconds=2)")
    header = ImageHeader("WEBP", 3000, 2000, 18, b"", seconds=3)
    with pytest.raises(CostlyImage) as raised:
        limits.check(header, header.memory())
    expected = (
        "decoding its 3000 x 2000 pixels takes 108 MB of memory; 100 MB is the most (download.max_decode_memory=300)"
    )
    assert str(raised.value) == expected
    with pytest.raises(CostlyImage, match=r"takes about 3 seconds; 2 is the most \(download.max_decode_seconds=2\)"):
        limits.check(header, 1000)


def test_photos_wait_for_memory_in_the_order_in_which_they_came():
    budget, order, started = MemoryBudget(100), [], threading.Event()

    def decode_one(name: str, size: int) -> None:
        with budget.hold(size):
            order.append(name)

    with budget.hold(60):
        threads = [threading.Thread(target=decode_one, args=("large", 90))]
        threads[0].start()
        while not budget._waiting:
            started.wait(0.01)
        threads.append(threading.Thread(target=decode_one, args=("small", 20)))
        threads[1].start()
        started.wait(0.05)
        assert order == []  # the small one would fit, and comes behind the large one all the same
    for thread in threads:
        thread.join(10)
    assert order == ["large", "small"]
    assert budget.held == 0


def test_more_than_there_is_goes_to_who_is_alone():
    budget = MemoryBudget(100)
    with budget.hold(150):
        assert budget.held == 150


def test_the_memory_of_an_image_is_held_while_its_pixels_are_used_and_given_back_after_an_error(monkeypatch):
    budget = MemoryBudget(LIMITS.memory)
    monkeypatch.setattr(decoding, "SHARED_MEMORY", budget)
    content = jpeg(scene(1))
    with decoded(content) as pixels:
        assert budget.held >= pixels.rows_HW3.nbytes
    assert budget.held == 0
    with pytest.raises(ImageError):
        decode(content[: len(content) // 2])
    with pytest.raises(RuntimeError), decoded(content):
        raise RuntimeError
    assert budget.held == 0


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (webps()["of_100_million.webp"], "takes 1,800 MB of memory; 800 MB is the most"),
        (whole_png(10_000, 10_000, 6, 8, 40_000), "takes 900 MB of memory"),
        (whole_png(9_000, 9_000, 3, 8, 9_000), "a photo has fewer than 200 for each byte"),
        (many_scans(8000, 2000, 1500), "it comes in more than 100 scans"),
    ],
)
def test_embeddings_evaluation_and_training_refuse_what_downloads_refuse(content, why):
    with pytest.raises(ImageError, match=why):
        decode(content, 64)


@pytest.mark.parametrize("kind", ["EPS", "ICO", "PCX", "TGA"])
def test_kinds_whose_cost_nobody_knows_are_not_tried(kind):
    with pytest.raises(ImageError, match="its bytes are no image of a known kind"):
        decode(encoded(scene(1, size=(64, 64)), kind))
