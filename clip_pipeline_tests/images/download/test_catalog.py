"""All shards of a list in one folder: what is finished is not fetched again, whatever happens."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
import zlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from clip_pipeline.errors import DiskError, OutageError
from clip_pipeline.images.catalog import write_catalog
from clip_pipeline.images.download.catalog import download_catalog, lacking
from clip_pipeline.images.download.outage import now_utc
from clip_pipeline.images.download.shard import download_shard
from clip_pipeline.images.shards.tar import ShardWriter
from clip_pipeline.settings import DownloadSettings
from clip_pipeline.settings.fields import fields_of, speed_settings
from clip_pipeline.settings.sections.download import FORM
from clip_pipeline.sources.fetch import PhotoFetcher
from clip_pipeline.sources.photos.formats.tar_index import read_shard
from clip_pipeline_tests.images.killed_downloads import run_download
from clip_pipeline_tests.images.photos import jpeg, links, photo, scene
from clip_pipeline_tests.sources.loopback import Answer, Loopback, loopback

SETTINGS = DownloadSettings(
    image_size=32, min_side=16, photos_per_shard=20, connections=8, retries=0, robots_txt=False, deadline=5
)


def photos_at(site: Loopback, count: int, start: int = 0) -> list[dict[str, Any]]:
    """Rows of photos that the site serves from then on."""
    rows = []
    for number in range(start, start + count):
        site.always(f"/{number}.jpg", Answer(body=jpeg(scene(number, size=(64, 48)))))
        rows.append(photo(f"p{number:04d}", url=f"http://photos.test/{number}.jpg", captions=[f"photo {number} Ä"]))
    return rows


def catalog_of(rows: list[dict[str, Any]], output: Path, settings: DownloadSettings = SETTINGS) -> Path:
    """A catalog of the photos, beside the output."""
    folder = output.with_name(f"{output.name} catalog")
    shutil.rmtree(folder, ignore_errors=True)
    write_catalog([links("cup", *rows)], settings.photos_per_shard, folder)
    return folder


def download(site: Loopback, rows: list[dict[str, Any]], output: Path, settings=SETTINGS, **options) -> Counter[str]:
    with PhotoFetcher(settings, site.hosts("photos.test")) as fetcher:
        return download_catalog(catalog_of(rows, output, settings), output, settings, fetcher, **options)


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def asked(site: Loopback) -> Counter[str]:
    return Counter(path for _, path in site.requests)


def attempts(output: Path) -> dict[str, dict[str, Any]]:
    tables = [pq.read_table(path).to_pylist() for path in sorted(output.glob("*.parquet"))]
    return {row["id"]: row for table in tables for row in table}


@pytest.mark.slow
def test_the_same_list_twice_gives_the_same_bytes_and_asks_nothing_the_second_time(tmp_path):
    with loopback() as site:
        rows = photos_at(site, 50)
        assert download(site, rows, tmp_path / "a") == {"success": 50}
        assert set(asked(site).values()) == {1}
        first = files(tmp_path / "a")
        download(site, rows, tmp_path / "a")
        assert files(tmp_path / "a") == first
        assert set(asked(site).values()) == {1}
        download(site, rows, tmp_path / "b", replace(SETTINGS, connections=1), workers=1)
        assert files(tmp_path / "b") == first
        sizes = json.loads(first["sizes.json"])
        assert sizes == {path.name: len(list(read_shard(path))) for path in (tmp_path / "a").glob("*.tar")}
        assert len(sizes) > 1


def test_a_changed_list_is_noticed_and_only_what_is_new_is_fetched(tmp_path):
    with loopback() as site:
        rows = photos_at(site, 55)
        before = rows[:40] + rows[45:50]
        download(site, before, tmp_path / "grown")
        known = asked(site)
        assert download(site, rows[:42] + rows[45:], tmp_path / "grown") == {"success": 52}
        new = asked(site) - known
        assert set(new) == {f"/{n}.jpg" for n in (40, 41, 50, 51, 52, 53, 54)}
        assert set(new.values()) == {1}
        download(site, rows[:42] + rows[45:], tmp_path / "fresh")
        assert files(tmp_path / "grown") == files(tmp_path / "fresh")


def test_shards_that_a_shorter_list_has_no_more_are_removed_and_other_files_stay(tmp_path):
    with loopback() as site:
        rows = photos_at(site, 50)
        download(site, rows, tmp_path / "a")
        (tmp_path / "a/notes_stats.json").write_text("{}")
        download(site, rows[:12], tmp_path / "a")
        names = set(files(tmp_path / "a"))
        assert names == {"00000.tar", "00000.parquet", "00000_stats.json", "sizes.json", "notes_stats.json"}


def test_only_failures_that_may_pass_are_asked_for_again_by_the_next_run_and_then_with_patience(tmp_path):
    with loopback() as site:
        rows = photos_at(site, 30)
        busy = Answer(503)
        failing = {"/3.jpg": Answer(404), "/4.jpg": busy, "/5.jpg": Answer(403), "/6.jpg": Answer(body=b"<html>")}
        for path, answer in failing.items():
            site.always(path, answer)
        expected = {"success": 26, "not_found": 1, "http_error": 2, "not_an_image": 1}
        once = Counter(f"/{n}.jpg" for n in range(30))
        assert download(site, rows, tmp_path / "a") == expected
        assert asked(site) == once
        for _ in range(3):  # the next run tries again; those after it wait
            assert download(site, rows, tmp_path / "a") == expected
            assert asked(site) - once == {"/4.jpg": 1}
        assert download(site, rows, tmp_path / "a", replace(SETTINGS, retry_minutes=0)) == expected
        assert asked(site) - once == {"/4.jpg": 2}
        assert "lacks 1 photo for now (photos.test: HTTP 503)" in lacking(tmp_path / "a")["00000"].sentence(
            2, now_utc()
        )
        photos_at(site, 30)  # now all would be there
        assert download(site, rows, tmp_path / "a")["success"] == 26, "it is not time yet"
        assert download(site, rows, tmp_path / "a", retry=True) == expected | {"success": 27, "http_error": 1}
        assert asked(site) - once == {"/4.jpg": 3}
        assert download(site, rows, tmp_path / "a", retry=True)["success"] == 27
        assert asked(site) - once == {"/4.jpg": 3}
        assert not lacking(tmp_path / "a")
        whole = replace(SETTINGS, reuse=False)
        more = [*rows, *photos_at(site, 1, 30)]
        download(site, more, tmp_path / "a", whole)
        assert download(site, more, tmp_path / "b", whole) == {"success": 31}
        assert attempts(tmp_path / "b").keys() == attempts(tmp_path / "a").keys()


def failing_from(site: Loopback, numbers: Iterable[int], answer: Answer) -> None:
    for number in numbers:
        site.always(f"/{number}.jpg", answer)


def test_an_outage_stops_the_run_with_a_sentence_and_replaces_nothing(tmp_path):
    with loopback() as site:
        rows = photos_at(site, 20)
        download(site, rows[:15], tmp_path / "a")
        before = files(tmp_path / "a")
        failing_from(site, range(15, 20), Answer(503))
        with pytest.raises(OutageError, match="5 of 20 photos of shard 00000"):
            download(site, rows, tmp_path / "a")
        left = {name: content for name, content in files(tmp_path / "a").items() if ".work" not in name}
        assert {name: left[name] for name in before} == before
        assert lacking(tmp_path / "a") == {}
        assert download(site, rows, tmp_path / "all", replace(SETTINGS, max_outage_percent=100))["success"] == 15
        photos_at(site, 20)
        site.requests.clear()
        assert download(site, rows, tmp_path / "a") == {"success": 20}
        assert set(asked(site)) <= {f"/{n}.jpg" for n in range(15, 20)}, "what came before the stop is kept"
        assert download(site, rows, tmp_path / "all") == {"success": 20}
        assert download(site, rows, tmp_path / "calm") == {"success": 20}
        assert files(tmp_path / "a") == files(tmp_path / "calm") == files(tmp_path / "all")


def test_what_was_taken_with_its_holes_is_tried_again_and_stops_no_later_run(tmp_path):
    with loopback() as site:
        rows = photos_at(site, 15)
        good = dict(site.routes)
        failing_from(site, range(10), Answer(503))
        everything = replace(SETTINGS, max_outage_percent=100)
        assert download(site, rows, tmp_path / "a", everything) == {"success": 5, "http_error": 10}
        assert download(site, rows, tmp_path / "a") == {"success": 5, "http_error": 10}
        assert lacking(tmp_path / "a")["00000"].tries == 2
        more = [*rows, *photos_at(site, 5, 15)]
        failing_from(site, range(15, 20), Answer(503))
        with pytest.raises(OutageError, match="5 of 20 photos"):
            download(site, more, tmp_path / "a")
        site.routes.update(good)
        assert download(site, rows, tmp_path / "a", retry=True) == {"success": 15}


def test_a_shard_completed_later_is_the_same_bytes_as_one_made_without_an_outage(tmp_path):
    with loopback() as site:
        rows = photos_at(site, 20)
        good = dict(site.routes)
        failing_from(site, (2, 3, 4), Answer(500))
        assert download(site, rows, tmp_path / "a") == {"success": 17, "http_error": 3}
        assert lacking(tmp_path / "a")["00000"].photos == 3
        site.routes.update(good)
        assert download(site, rows, tmp_path / "a") == {"success": 20}
        download(site, rows, tmp_path / "calm")
        assert files(tmp_path / "a") == files(tmp_path / "calm")


FETCHING_LIMITS: dict[str, Any] = {
    "retries": 1,
    "deadline": 2.0,
    "connections": 3,
    "connections_per_host": 2,
    "host_rate": 500.0,
    "robots_txt": True,
    "robots_header": False,
    "max_bytes": 1000,
    "max_outage_percent": 1.0,
    "retry_minutes": 0.0,
    "contact": "me@example.org",
    "photos_per_shard": 19,
}


@pytest.mark.parametrize("name", FETCHING_LIMITS)
def test_a_changed_limit_of_fetching_leaves_what_is_stored_alone_while_the_host_is_gone(tmp_path, name):
    with loopback() as site:
        rows = photos_at(site, 15)
        download(site, rows, tmp_path / "a")
        before = files(tmp_path / "a")
        photos = {name: content for name, content in before.items() if not name.endswith("_stats.json")}
        site.routes.clear()
        site.requests.clear()
        changed = replace(SETTINGS, **{name: FETCHING_LIMITS[name]})
        assert download(site, rows, tmp_path / "a", changed) == {"success": 15}
        assert {name: files(tmp_path / "a")[name] for name in photos} == photos
        assert not site.requests


def test_every_setting_of_the_download_has_its_place():
    """A new one must be thought through: does it decide the bytes of a photo, or whether one is taken, or neither?"""
    speed = {name.partition(".")[2] for name in speed_settings("download")}
    limits = {
        "min_side",
        "max_bytes",
        "max_pixels",
        "max_decode_memory",
        "max_decode_seconds",
        "robots_txt",
        "robots_header",
    }
    everything = {field.name for field in fields_of("download")}
    assert everything == speed | limits | set(FORM) | {"photos_per_shard"}
    assert not speed & set(FORM)


@pytest.mark.parametrize("answer", [Answer(503), Answer(404), Answer(body=b"<html>gone")])
def test_no_failure_takes_the_place_of_a_stored_photo_even_where_all_are_asked_for_again(tmp_path, answer):
    with loopback() as site:
        rows = photos_at(site, 15)
        download(site, rows, tmp_path / "a")
        before = files(tmp_path / "a")
        failing_from(site, (4, 5), answer)
        more = [*rows, *photos_at(site, 1, 15)]
        again = replace(SETTINGS, reuse=False)
        assert download(site, more, tmp_path / "a", again) == {"success": 16}
        assert before.keys() == files(tmp_path / "a").keys()
        photos_at(site, 15)
        download(site, more, tmp_path / "calm")
        assert files(tmp_path / "a") == files(tmp_path / "calm")


def test_a_photo_that_cannot_be_had_in_a_new_size_stays_as_it_was_until_it_can(tmp_path):
    with loopback() as site:
        rows = photos_at(site, 15)
        good = dict(site.routes)
        download(site, rows, tmp_path / "a")
        failing_from(site, (4, 5), Answer(503))
        failing_from(site, (6,), Answer(404))
        smaller = replace(SETTINGS, image_size=24)
        assert download(site, rows, tmp_path / "a", smaller) == {"success": 15}
        found = attempts(tmp_path / "a")
        assert {found[f"p000{n}"]["height"] for n in (4, 5, 6)} == {32}
        assert found["p0004"]["error_message"] == "http_error: HTTP 503"
        assert found["p0007"]["height"] == 24
        assert lacking(tmp_path / "a")["00000"].photos == 2
        site.routes.update(good)
        site.requests.clear()
        assert download(site, rows, tmp_path / "a", smaller) == {"success": 15}
        assert set(asked(site)) == {"/4.jpg", "/5.jpg"}
        assert {row["height"] for row in attempts(tmp_path / "a").values()} == {24, 32}, "one is gone from its host"


def test_a_photo_that_stays_as_it_was_keeps_nothing_beside_its_image(tmp_path):
    """A shard of an older version may hold a comment or a place in a JPEG that was small enough to be kept."""
    with loopback() as site:
        rows = photos_at(site, 15)
        download(site, rows, tmp_path / "a")
        tar = tmp_path / "a/00000.tar"
        samples = dict(read_shard(tar))
        with ShardWriter(tar) as writer:
            for key, members in samples.items():
                content = members["jpg"]
                noted = content[:2] + b"\xff\xfe\x00\x0aat 48N  " + content[2:]
                writer.add(key, {"jpg": noted, "txt": members["txt"], "json": members["json"]})
        failing_from(site, (4, 5), Answer(503))
        download(site, rows, tmp_path / "a", replace(SETTINGS, quality=91))
        found = attempts(tmp_path / "a")
        kept = dict(read_shard(tar))[found["p0004"]["key"]]["jpg"]
        assert found["p0004"]["error_message"] and b"48N" not in kept
        assert kept == samples[found["p0004"]["key"]]["jpg"]


@pytest.mark.parametrize("name", ["00000.tar", "00000.parquet"])
def test_nothing_is_taken_from_a_damaged_shard(tmp_path, name, caplog):
    with loopback() as site:
        rows = photos_at(site, 12)
        more = [*rows, *photos_at(site, 1, 12)]
        download(site, rows, tmp_path / "a")
        damaged = tmp_path / "a" / name
        damaged.write_bytes(damaged.read_bytes()[:-2000])
        assert download(site, more, tmp_path / "a") == {"success": 13}
        assert "00000.tar is damaged" in caplog.text
        download(site, more, tmp_path / "b")
        assert files(tmp_path / "a") == files(tmp_path / "b")


def test_what_a_limit_forbids_now_goes_by_what_is_known_of_it_and_what_it_allows_now_is_asked_for(tmp_path):
    with loopback() as site:
        rows = photos_at(site, 12)
        for number in (3, 4):
            site.always(f"/{number}.jpg", Answer(body=jpeg(scene(number, size=(30, 20)))))
        strict = replace(SETTINGS, min_side=22)
        assert download(site, rows, tmp_path / "a") == {"success": 12}
        site.requests.clear()
        assert download(site, rows, tmp_path / "a", strict) == {"success": 10, "too_small": 2}
        assert not site.requests
        download(site, rows, tmp_path / "strict", strict)
        assert files(tmp_path / "a") == files(tmp_path / "strict")
        site.requests.clear()
        assert download(site, rows, tmp_path / "a") == {"success": 12}
        assert set(asked(site)) == {"/3.jpg", "/4.jpg"}
        fewer = replace(SETTINGS, max_pixels=64 * 48 - 1)
        site.requests.clear()
        assert download(site, rows, tmp_path / "a", fewer) == {"success": 2, "too_many_pixels": 10}
        assert not site.requests


def test_robots_that_are_not_asked_any_more_give_the_photos_that_they_forbade(tmp_path):
    with loopback() as site:
        rows = photos_at(site, 6)
        site.always("/robots.txt", Answer(body=b"User-agent: *\nDisallow: /3.jpg"))
        assert download(site, rows, tmp_path, replace(SETTINGS, robots_txt=True)) == {"success": 5, "robots_txt": 1}
        site.requests.clear()
        assert download(site, rows, tmp_path) == {"success": 6}
        assert set(asked(site)) == {"/3.jpg"}


def test_other_settings_fetch_everything_again(tmp_path):
    with loopback() as site:
        rows = photos_at(site, 5)
        download(site, rows, tmp_path)
        download(site, rows, tmp_path, replace(SETTINGS, image_size=24))
        assert set(asked(site).values()) == {2}
        assert {row["height"] for row in attempts(tmp_path).values()} == {24}


def test_bytes_that_were_taken_down_are_not_stored_from_the_net_or_from_an_older_shard(tmp_path):
    with loopback() as site:
        rows = photos_at(site, 6)
        download(site, rows, tmp_path / "a")
        digest = attempts(tmp_path / "a")["p0002"]["sha256"]
        expected = {"success": 5, "taken_down": 1}
        assert download(site, rows, tmp_path / "b", taken_down=[digest]) == expected
        assert download(site, rows, tmp_path / "a", taken_down=[digest]) == expected
        assert files(tmp_path / "a") == files(tmp_path / "b")
        row = attempts(tmp_path / "a")["p0002"]
        assert (row["status"], row["sha256"], row["width"]) == ("taken_down", None, None)


def test_bytes_taken_down_while_a_download_was_stopped_are_not_stored_from_its_journal(tmp_path):
    with loopback() as site:
        rows = photos_at(site, 6)
        download(site, rows, tmp_path / "known")
        digest = attempts(tmp_path / "known")["p0002"]["sha256"]
        catalog = pq.read_table(next((tmp_path / "known catalog/shards").iterdir()))
        for folder, taken_down in (("a", ()), ("b", (digest,))):
            (tmp_path / folder).mkdir()
            with PhotoFetcher(SETTINGS, site.hosts("photos.test")) as fetcher:
                stats = download_shard(
                    catalog, tmp_path / folder, SETTINGS, fetcher, work=tmp_path / "work", taken_down=taken_down
                )
        assert stats["status"] == {"success": 5, "taken_down": 1}
        assert len(list(read_shard(tmp_path / "b/00000.tar"))) == 5
        assert set(asked(site).values()) == {2}


def test_a_download_that_was_stopped_goes_on_without_asking_again(tmp_path):
    with loopback() as site:
        rows = photos_at(site, 40)
        answer = site.routes["/39.jpg"]

        class Stop(PhotoFetcher):
            def fetch(self, url: str):
                if url.endswith("/39.jpg"):
                    time.sleep(0.5)
                    raise KeyboardInterrupt
                return super().fetch(url)

        with Stop(SETTINGS, site.hosts("photos.test")) as fetcher, pytest.raises(KeyboardInterrupt):
            download_catalog(catalog_of(rows, tmp_path / "a"), tmp_path / "a", SETTINGS, fetcher)
        before = asked(site)
        assert before.total() > 5
        site.routes["/39.jpg"] = answer
        assert download(site, rows, tmp_path / "a") == {"success": 40}
        assert set(asked(site).values()) == {1}
        download(site, rows, tmp_path / "b")
        assert files(tmp_path / "a") == files(tmp_path / "b")


def test_a_shard_without_its_tar_is_made_again(tmp_path):
    with loopback() as site:
        rows = photos_at(site, 10)
        download(site, rows, tmp_path)
        whole = files(tmp_path)
        (tmp_path / "00000.tar").unlink()
        download(site, rows, tmp_path)
        assert files(tmp_path) == whole


def test_a_full_disk_is_a_sentence_and_leaves_nothing_half(tmp_path, monkeypatch):
    from clip_pipeline.images.shards import tar

    def full(self, key, members):
        raise OSError(28, "No space left on device", str(tmp_path))

    with loopback() as site:
        rows = photos_at(site, 10)
        with monkeypatch.context() as patch, pytest.raises(DiskError, match="is full"):
            patch.setattr(tar.ShardWriter, "add", full)
            download(site, rows, tmp_path)
        assert not list(tmp_path.glob("0*"))
        assert download(site, rows, tmp_path) == {"success": 10}
        assert set(asked(site).values()) == {1}


KILLS = 50


@pytest.mark.slow
def test_fifty_kills_at_random_moments_end_with_the_bytes_of_an_undisturbed_run(tmp_path):
    with loopback() as site:
        rows = photos_at(site, 350)
        bodies = {path: route(None, 0).body for path, route in site.routes.items()}

        def slow(path: str):
            pause = 0.01 + zlib.crc32(path.encode()) % 40 / 1000

            def route(request, count):
                time.sleep(pause)
                return Answer(404) if path.endswith("7.jpg") else Answer(body=bodies[path])

            return route

        for path in bodies:
            site.routes[path] = slow(path)
        write_catalog([links("cup", *rows)], 100, tmp_path / "catalog")
        command = [sys.executable, "-m", "clip_pipeline_tests.images.killed_downloads"]
        command += [str(tmp_path / "catalog"), str(tmp_path / "killed"), str(site.port), str(KILLS)]
        said = subprocess.run(command, capture_output=True, text=True, timeout=200)
        assert said.returncode == 0, said.stderr
        downloads = int(said.stdout.split()[-1]) + 1
        while_killed = asked(site)
        run_download(tmp_path / "catalog", tmp_path / "killed" / str(downloads - 1), site.port)
        site.requests.clear()
        run_download(tmp_path / "catalog", tmp_path / "calm", site.port)
        assert set(asked(site).values()) == {1}
    calm = files(tmp_path / "calm")
    for number in range(downloads):
        assert files(tmp_path / "killed" / str(number)) == calm
    # Only what was on its way at a kill is asked for again: four connections, and what waits for the one decoder.
    assert while_killed.total() <= 350 * downloads + KILLS * 9
