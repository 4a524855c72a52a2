"""Photos taken down from a folder that the download command wrote."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from clip_pipeline.api.download import download as download_urls
from clip_pipeline.api.take_down import take_down
from clip_pipeline.errors import InputError, PhotosError
from clip_pipeline.settings import Recipe
from clip_pipeline.sources.photos.formats.tar_index import read_shard
from clip_pipeline_tests.images.photos import jpeg, scene
from clip_pipeline_tests.made.warm_python import start_python
from clip_pipeline_tests.sources.loopback import Answer, loopback

RECIPE = Recipe()
RECIPE = replace(RECIPE, download=replace(RECIPE.download, photos_per_shard=10, robots_txt=False, retries=0))
PHOTOS = 30


@pytest.fixture
def site():
    with loopback() as server:
        for number in range(PHOTOS):
            server.always(f"/{number}.jpg", Answer(body=jpeg(scene(number))))
        server.always("/copy.jpg", Answer(body=jpeg(scene(3))))
        yield server


def url_list(folder: Path, site, *more: str) -> Path:
    names = [*(f"{n}.jpg" for n in range(PHOTOS)), *more]
    path = folder / "urls.jsonl"
    rows = [{"id": name, "url": f"http://photos.test/{name}", "caption": f"photo {name}"} for name in names]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def download(folder: Path, site, *more: str) -> None:
    download_urls(url_list(folder, site, *more), folder / "shards", recipe=RECIPE, hosts=site.hosts("photos.test"))


def ids(folder: Path) -> set[str]:
    return {row["id"] for path in folder.glob("*.parquet") for row in pq.read_table(path).to_pylist()}


@pytest.mark.slow
def test_a_photo_goes_from_its_shard_alone_without_a_request_and_does_not_come_back(tmp_path, site):
    shards = tmp_path / "shards"
    download(tmp_path, site)
    before = {path.name: path.read_bytes() for path in shards.glob("*.tar")}
    asked = len(site.requests)
    outcome = take_down(["3.jpg"], shards=shards, reason="asked")
    assert [photo.id for photo in outcome.found.photos] == ["3.jpg"]
    assert len(site.requests) == asked
    assert "3.jpg" not in ids(shards) and len(ids(shards)) == PHOTOS - 1
    changed = [name for name, content in before.items() if (shards / name).read_bytes() != content]
    assert len(changed) == 1
    keys = {key for path in shards.glob("*.tar") for key, _ in read_shard(path)}
    assert len(keys) == PHOTOS - 1 == sum(json.loads((shards / "sizes.json").read_text()).values())
    download(tmp_path, site, "copy.jpg")
    rows = [row for path in shards.glob("*.parquet") for row in pq.read_table(path).to_pylist()]
    assert {row["id"]: row["status"] for row in rows}["copy.jpg"] == "taken_down"
    assert "3.jpg" not in {row["id"] for row in rows}
    gone = hashlib.sha256(jpeg(scene(3))).hexdigest()
    assert gone not in {row["sha256"] for row in rows}
    assert {path for _, path in site.requests[asked:]} == {"/copy.jpg"}


def test_a_folder_without_shards_and_an_unknown_name_are_sentences(tmp_path, site):
    with pytest.raises(PhotosError, match="holds no shards that clip-pipeline download wrote"):
        take_down(["3.jpg"], shards=tmp_path)
    download(tmp_path, site)
    with pytest.raises(InputError, match="No photo in .* has the id, url or sha256 cat"):
        take_down(["cat"], shards=tmp_path / "shards")
    assert not (tmp_path / "shards" / "takedowns.jsonl").exists()


TAKE_DOWN = """
import sys
from clip_pipeline.api.take_down import take_down
take_down([sys.argv[2]], shards=sys.argv[1])
"""


@pytest.mark.slow
def test_six_take_downs_at_once_all_hold_and_one_may_be_asked_for_twice(tmp_path, site):
    download(tmp_path, site)
    gone = ["3.jpg", "http://photos.test/4.jpg", "5.jpg", "6.jpg", "3.jpg", "http://photos.test/4.jpg"]
    commands = [start_python(["-c", TAKE_DOWN, tmp_path / "shards", name]) for name in gone]
    assert [command.wait() for command in commands] == [0] * 6
    assert ids(tmp_path / "shards") == {f"{n}.jpg" for n in range(PHOTOS) if n not in (3, 4, 5, 6)}
    asked = len(site.requests)
    download(tmp_path, site)
    assert len(site.requests) == asked
    assert ids(tmp_path / "shards") == {f"{n}.jpg" for n in range(PHOTOS) if n not in (3, 4, 5, 6)}


DOWNLOAD = """
import sys
from clip_pipeline.api.download import download
from clip_pipeline_tests.api.test_take_down import RECIPE
download(sys.argv[1], sys.argv[2], recipe=RECIPE, hosts={"photos.test": ("127.0.0.1", int(sys.argv[3]))})
"""


@pytest.mark.slow
def test_three_downloads_into_one_folder_take_turns_and_ask_once(tmp_path, site):
    arguments = ["-c", DOWNLOAD, url_list(tmp_path, site), tmp_path / "shards", site.port]
    downloads = [start_python(arguments) for _ in range(3)]
    assert [one.wait() for one in downloads] == [0] * 3
    assert len(site.requests) == PHOTOS
    assert not [path.name for path in (tmp_path / "shards").iterdir() if path.name.startswith(".")]
