"""The settings `download`: how photos are fetched and stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from clip_pipeline.settings.checked import CheckedSettings, setting

FORM = ("resize", "image_size", "only_if_bigger", "quality", "request_width")
"""Settings that decide what is stored of a photo: when one changes, photos are fetched again. All others leave what is stored alone,
but for what a limit now forbids by what is known of it (`images/download/limits.py`)."""


@dataclass(frozen=True)
class DownloadSettings(CheckedSettings):
    """How photos are fetched and stored."""

    photos_per_shard: int = setting(1000, "Photos that a shard aims at, at most.", low=10)
    resize: str = setting(
        "shorter_side",
        "How image_size is meant: shorter_side, longest_side, crop (a square from the middle), pad (a square with white "
        "bars), squash (a square, bent), or original for the bytes as they came, EXIF and place included.",
        choices=("shorter_side", "longest_side", "crop", "pad", "squash", "original"),
    )
    image_size: int = setting(256, "Side of the stored JPEG that resize speaks of, in pixels.", low=16)
    only_if_bigger: bool = setting(True, "Leave smaller photos as they are instead of enlarging them.")
    quality: int = setting(90, "JPEG quality of the stored photo, from 1 to 100.", low=1, high=100)
    request_width: int = setting(
        0, "Width asked of an image server that can resize (w=), in pixels; 0 asks for the original.", low=0
    )
    min_side: int = setting(32, "Photos whose shorter side is below this are rejected, in pixels.", low=1)
    max_bytes: int = setting(30_000_000, "Largest download, in bytes.", low=1000)
    max_pixels: int = setting(100_000_000, "Largest photo decoded, in pixels.", low=1000)
    max_decode_memory: int = setting(
        1000,
        "Memory that a download may take, all its processes together, in MB. Photos wait for their turn to be decoded; one "
        "that takes more alone, by its header, is refused.",
        low=300,
    )
    max_decode_seconds: float = setting(
        10.0,
        "Longest time that one photo may take of a core, in seconds: a photo that takes more by its header is refused, and a "
        "clock ends the others.",
        low=1,
    )
    deadline: float = setting(20.0, "Longest time for one photo, all bytes included, in seconds.", low=0.1, speed=True)
    retries: int = setting(2, "Further tries for a photo after a failure that may pass.", low=0, high=10, speed=True)
    max_outage_percent: float = setting(
        20.0,
        "More photos of a shard than that which could not be had for now, as when a host is down, stop the run before anything "
        "is replaced, in percent; fewer than five stop it only where no photo of the shard came. 100 takes what there is, 0 stops at one.",
        low=0,
        high=100,
        speed=True,
    )
    retry_minutes: float = setting(
        2.0,
        "A shard that lacks photos for now is tried again by the next run; after that it waits so long, then twice as long each "
        "time, up to a week, in minutes; 0 tries in each run.",
        low=0,
        speed=True,
    )
    connections: int = setting(16, "Downloads at a time.", low=1, high=256, speed=True)
    connections_per_host: int = setting(16, "Downloads at a time from one host.", low=1, high=256, speed=True)
    host_rate: float = setting(
        0.0, "Most requests a second to one host; 0 is no limit but the host's own.", low=0, speed=True
    )
    robots_txt: bool = setting(True, "Leave out photos that their host's robots.txt forbids to robots.")
    robots_header: bool = setting(
        True, "Leave out photos whose answer says noai, noimageai, noindex or noimageindex (X-Robots-Tag)."
    )
    reuse: bool = setting(
        True,
        "When a shard is built again, take what the old one holds, and ask again only where a failure may have passed.",
        speed=True,
    )
    contact: str = setting(
        "", "Your e-mail or page, sent in the User-Agent so that a site's owner can reach you.", speed=True
    )

    def form(self) -> dict[str, Any]:
        """The settings of FORM with their values."""
        return {name: getattr(self, name) for name in FORM}
