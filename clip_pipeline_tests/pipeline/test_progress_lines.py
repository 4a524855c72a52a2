"""Lines of how far an asset is."""

from __future__ import annotations

from clip_pipeline.pipeline.outcomes import PartitionDone
from clip_pipeline.pipeline.progress_lines import progress_lines


def done(asset: str, number: int, total: int, seconds: float) -> PartitionDone:
    return PartitionDone(asset, f"{number:05d}", None, None, "", number, total, seconds, 30.0, (total - number) / 30.0)


def test_a_line_is_said_ten_seconds_after_the_asset_began_or_after_the_last_line_but_not_at_the_end():
    said: list[str] = []
    now = 100.0
    say = progress_lines(said.append, 10.0, lambda: now)
    for asset, number, seconds, at in (
        ("image_links", 1, 2.0, 102.0),  # began at 100
        ("image_shards", 1, 4.0, 106.0),  # began at 102
        ("image_shards", 2, 11.0, 113.0),
        ("image_shards", 3, 18.0, 120.0),
        ("image_shards", 4, 22.0, 124.0),
        ("image_shards", 90, 40.0, 142.0),
        ("image_shards", 400, 90.0, 192.0),
    ):
        now = at
        say(done(asset, number, 400 if asset == "image_shards" else 2, seconds))
    assert said == [
        "image_shards: 2 of 400 partitions, 30.0 a minute, 13 minutes left",
        "image_shards: 4 of 400 partitions, 30.0 a minute, 13 minutes left",
        "image_shards: 90 of 400 partitions, 30.0 a minute, 10 minutes left",
    ]
    assert done("image_shards", 370, 400, 1.0).pace == "370 of 400 partitions, 30.0 a minute, 60 seconds left"
