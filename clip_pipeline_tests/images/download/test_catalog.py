"""All shards of a list in one folder: what is finished is not fetched again, whatever happens."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
import zlib
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from clip_pipeline.errors import DiskError
from clip_pipeline.images.catalog import write_catalog
from clip_pipeline.images.download.catalog import download_catalog
from clip_pipeline.images.download.shard import download_shard
from clip_pipeline.settings import DownloadSettings
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


def test_only_failures_that_may_pass_are_asked_for_again_and_only_when_wanted(tmp_path):
    with loopback() as site:
        rows = photos_at(site, 30)
        busy = Answer(503)
        failing = {"/3.jpg": Answer(404), "/4.jpg": busy, "/5.jpg": Answer(403), "/6.jpg": Answer(body=b"<html>")}
        for path, answer in failing.items():
            site.always(path, answer)
        expected = {"success": 26, "not_found": 1, "http_error": 2, "not_an_image": 1}
        assert download(site, rows, tmp_path / "a") == expected
        assert download(site, rows, tmp_path / "a") == expected
        assert set(asked(site).values()) == {1}
        photos_at(site, 30)  # now all would be there
        assert download(site, rows, tmp_path / "a", retry=True) == expected | {"success": 27, "http_error": 1}
        again = asked(site) - Counter(f"/{n}.jpg" for n in range(30))
        assert again == {"/4.jpg": 1}
        assert download(site, rows, tmp_path / "a", retry=True)["success"] == 27
        assert asked(site) - Counter(f"/{n}.jpg" for n in range(30)) == again
        whole = replace(SETTINGS, reuse=False)
        download(site, [*rows, *photos_at(site, 1, 30)], tmp_path / "a", whole)
        assert download(site, [*rows, *photos_at(site, 1, 30)], tmp_path / "b", whole) == {"success": 31}
        assert attempts(tmp_path / "b").keys() == attempts(tmp_path / "a").keys()


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
