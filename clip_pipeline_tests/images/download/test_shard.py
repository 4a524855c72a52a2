"""One shard from urls to files, from answers made by hand and from a real server on loopback."""

from __future__ import annotations

import hashlib
import io
import json
import random
import tarfile
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from clip_pipeline.images.dedupe import colour_thumbnail, perceptual_hash
from clip_pipeline.images.download.shard import download_shard
from clip_pipeline.images.download.shard_files import OPTIONAL_IN_JSON
from clip_pipeline.records import PHOTO_STATUSES, SHARD_ATTEMPTS
from clip_pipeline.sandbox.server import start_sandbox
from clip_pipeline.sandbox.world import World
from clip_pipeline.settings import DownloadSettings, SandboxSettings
from clip_pipeline.sources.fetch import PhotoFetcher
from clip_pipeline.sources.photos.formats.tar_index import read_shard
from clip_pipeline_tests.images.photos import build_catalog, jpeg, links, photo, scene
from clip_pipeline_tests.made.hostile_photos import many_scans

SETTINGS = DownloadSettings(image_size=48, min_side=32, max_pixels=200_000, connections=4)
FILES = ("00000.tar", "00000.parquet", "00000_stats.json")


@dataclass
class Answer:
    status: str
    content: bytes | None = None
    error_message: str | None = None


class Fetcher:
    """Gives the answer of a url after a pause of its own; knows how many were asked for at the same time."""

    def __init__(self, answers: Mapping[str, Answer | bytes], seed: int | None = None):
        self.answers, self.pauses = answers, random.Random(seed) if seed is not None else None
        self.lock, self.now, self.most = threading.Lock(), 0, 0

    def fetch(self, url: str) -> Answer:
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
            pause = self.pauses.uniform(0, 0.02) if self.pauses else 0
        time.sleep(pause)
        with self.lock:
            self.now -= 1
        answer = self.answers[url]
        return answer if isinstance(answer, Answer) else Answer("success", answer)


def catalog_of(*photos: dict[str, Any]) -> pa.Table:
    """The catalog of one shard; keys follow the ids."""
    return build_catalog([links("cup", *photos)], 1000)


def download(
    folder: Path, photos: pa.Table, fetcher: Any, settings: DownloadSettings = SETTINGS
) -> tuple[dict[str, Any], list[dict[str, Any]], dict[str, dict[str, bytes]]]:
    """(stats, rows of the Parquet file, samples of the tar)."""
    folder.mkdir(exist_ok=True)
    stats = download_shard(photos, folder, settings, fetcher)
    table = pq.read_table(folder / "00000.parquet")
    assert table.schema.remove_metadata() == SHARD_ATTEMPTS
    return stats, table.to_pylist(), dict(read_shard(folder / "00000.tar"))


def answered(*answers: Answer | bytes) -> tuple[pa.Table, dict[str, Answer | bytes]]:
    """A catalog of as many photos, and what their urls answer."""
    photos = [photo(f"p{number:02d}", width=4000, height=3000) for number in range(len(answers))]
    return catalog_of(*photos), {row["url"]: answer for row, answer in zip(photos, answers, strict=True)}


def test_a_photo_is_stored_with_its_caption_and_what_is_known_of_it(tmp_path):
    content = jpeg(scene(1, size=(120, 90)))
    told = photo("p", captions=["a ball", "ein Bällchen"], licence="CC0", attribution="Photo by A", split="test")
    stats, rows, samples = download(tmp_path, catalog_of(told), Fetcher({told["url"]: content}))
    row, sample = rows[0], samples["000000000"]

    stored = Image.open(io.BytesIO(sample["jpg"]))
    assert stored.size == (row["width"], row["height"]) == (64, 48)
    assert (row["original_width"], row["original_height"]) == (120, 90)
    assert row["sha256"] == hashlib.sha256(content).hexdigest()
    assert (row["phash"] ^ perceptual_hash(stored)).bit_count() <= 4
    assert len(row["thumbnail"]) == len(colour_thumbnail(stored))
    assert (row["status"], row["error_message"], row["caption"]) == ("success", None, "a ball")
    assert {name: row[name] for name in told} == told

    assert sample["txt"].decode() == "a ball"
    known = json.loads(sample["json"])
    assert known == {name: row[name] for name in known}
    assert set(row) - set(known) == {"thumbnail", "error_message", "text_share", *OPTIONAL_IN_JSON}
    assert "ein Bällchen" in sample["json"].decode()
    ours = {"shard": "00000", "tried": 1, "bytes": len(sample["jpg"]), "status": {"success": 1}}
    theirs = {"count": 1, "successes": 1, "failed_to_download": 0, "failed_to_resize": 0}
    assert stats == ours | theirs


def test_every_status_is_a_row_with_its_reason_and_only_successes_are_in_the_tar(tmp_path):
    from_fetcher = ["not_found", "http_error", "timeout", "connection_error", "forbidden_address"]
    from_fetcher += ["forbidden_scheme", "too_many_bytes", "missing_file", "robots_txt", "robots_header"]
    good = jpeg(scene(2))
    bad = {
        "not_an_image": b"<html>sign in</html>",
        "too_many_pixels": jpeg(Image.new("RGB", (1000, 500))),
        "too_costly": many_scans(101, 64, 64),
        "broken_image": good[: len(good) // 2],
        "too_small": jpeg(Image.new("RGB", (100, 20))),
    }
    expected = [*from_fetcher, *bad, "success", "success"]
    assert set(expected) == set(PHOTO_STATUSES) - {"decoder_crashed", "taken_down"}
    failures = [Answer(status, None, f"reason of {status}") for status in from_fetcher]
    photos, answers = answered(*failures, *bad.values(), good, good)
    stats, rows, samples = download(tmp_path, photos, Fetcher(answers))

    assert [row["status"] for row in rows] == expected
    assert [row["error_message"] for row in rows[: len(failures)]] == [answer.error_message for answer in failures]
    assert all(row["error_message"] for row in rows if row["status"] != "success")
    for row in rows:
        found = [row[name] for name in ("width", "height", "original_width", "sha256", "phash", "thumbnail")]
        assert all(value is None for value in found) == (row["status"] != "success")
    assert list(samples) == [row["key"] for row in rows if row["status"] == "success"]
    assert stats["status"] == dict(Counter(expected))
    assert stats["tried"] == len(rows) == len(photos)
    assert json.loads((tmp_path / "00000_stats.json").read_text()) == stats
    assert stats["bytes"] == sum(len(sample["jpg"]) for sample in samples.values())


def test_the_camera_s_tags_are_json_without_the_place(tmp_path):
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = "Maker", "Pinhole 3000"
    exif.get_ifd(0x8825)[1] = "N"
    photos, answers = answered(jpeg(scene(1), exif=exif), jpeg(scene(2)))
    _, rows, samples = download(tmp_path, photos, Fetcher(answers))
    assert json.loads(rows[0]["exif"]) == {"Make": "Maker", "Model": "Pinhole 3000"}
    assert rows[1]["exif"] is None
    assert b"Pinhole" not in samples["000000000"]["jpg"]


def test_a_photo_without_captions_is_stored_with_an_empty_text(tmp_path):
    told = photo("p", captions=[])
    _, rows, samples = download(tmp_path, catalog_of(told), Fetcher({told["url"]: jpeg(scene(1))}))
    assert rows[0]["caption"] is None
    assert samples["000000000"]["txt"] == b""


def test_a_shard_of_which_nothing_could_be_had_is_an_empty_tar(tmp_path):
    photos, answers = answered(Answer("not_found", None, "HTTP 404"), b"")
    stats, rows, samples = download(tmp_path, photos, Fetcher(answers))
    assert samples == {}
    ours = {"shard": "00000", "tried": 2, "bytes": 0, "status": {"not_an_image": 1, "not_found": 1}}
    theirs = {"count": 2, "successes": 0, "failed_to_download": 1, "failed_to_resize": 1}
    assert stats == ours | theirs
    assert tarfile.is_tarfile(tmp_path / "00000.tar")
    assert len(rows) == 2


def file_bytes(folder: Path) -> list[bytes]:
    return [(folder / name).read_bytes() for name in FILES]


def test_the_bytes_depend_neither_on_connections_nor_on_which_answer_comes_first(tmp_path):
    contents = [jpeg(scene(seed)) for seed in range(25)]
    photos, answers = answered(*contents, Answer("timeout", None, "late"), b"no photo", contents[3][:900])
    one, sixteen = Fetcher(answers), Fetcher(answers, seed=1)
    download(tmp_path / "1", photos, one, replace(SETTINGS, connections=1))
    expected = file_bytes(tmp_path / "1")
    download(tmp_path / "16", photos, sixteen, replace(SETTINGS, connections=16))
    assert file_bytes(tmp_path / "16") == expected
    assert one.most == 1 < sixteen.most <= 16
    for seed in (2, 3):
        download(tmp_path / f"again {seed}", photos, Fetcher(answers, seed), replace(SETTINGS, connections=5))
        assert file_bytes(tmp_path / f"again {seed}") == expected


def test_an_error_that_is_no_photo_s_fault_ends_the_shard(tmp_path):
    photos, _ = answered(*[b""] * 50)
    with pytest.raises(KeyError):
        download_shard(photos, tmp_path, SETTINGS, Fetcher({}))
    assert list(tmp_path.iterdir()) == []


WORLD = SandboxSettings(seed=0, photos=1500, articles=50)
STATUS_OF_FAULT = {
    "missing": {"not_found"},
    "html": {"not_an_image"},
    "truncated": {"broken_image", "connection_error"},
}


@pytest.fixture(scope="module")
def sandbox_photos() -> tuple[pa.Table, dict[str, str]]:
    """A catalog with three photos of every fault and twenty without, and the fault of each id."""
    chosen, taken = [], Counter()
    for made in World(WORLD.seed, WORLD.photos, WORLD.articles).photos:
        taken[made.fault] += 1
        if taken[made.fault] <= (3 if made.fault else 20):
            chosen.append(made)
    rows = [
        photo(made.id, url=f"http://images.sandbox.test/{made.path}", captions=made.captions or ["none"])
        for made in chosen
    ]
    return catalog_of(*rows), {made.id: made.fault for made in chosen}


@pytest.mark.slow
def test_photos_of_a_real_server_are_the_same_bytes_with_1_and_16_connections(tmp_path, sandbox_photos):
    photos, fault_of = sandbox_photos
    assert len(set(fault_of.values())) == 11
    settings = DownloadSettings(image_size=48, request_width=96, deadline=5)
    with start_sandbox(WORLD) as running:
        for connections in (16, 1):
            asked = replace(settings, connections=connections)
            with PhotoFetcher(asked, running.hosts) as fetcher:
                stats, rows, samples = download(tmp_path / str(connections), photos, fetcher, asked)
    assert file_bytes(tmp_path / "1") == file_bytes(tmp_path / "16")
    for row in rows:
        fault = fault_of[row["id"]]
        assert row["status"] in STATUS_OF_FAULT.get(fault, {"success"}), (fault, row["error_message"])
        if row["status"] == "success":
            image = Image.open(io.BytesIO(samples[row["key"]]["jpg"]))
            assert (image.mode, image.format, min(image.size)) == ("RGB", "JPEG", 48)
    assert stats["status"] == dict(Counter(row["status"] for row in rows))
    assert stats["status"]["success"] == len(samples)
