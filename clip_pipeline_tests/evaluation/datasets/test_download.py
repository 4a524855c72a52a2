"""Downloads from a real server on loopback: the entries' addresses are stood in for."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import re
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

from clip_pipeline.cli import commands
from clip_pipeline.errors import DatasetError, DiskError, MissingKeyError, SourceError
from clip_pipeline.evaluation.datasets import download as downloading
from clip_pipeline.evaluation.datasets.download import download_dataset
from clip_pipeline.evaluation.datasets.entry import Download, find_entry
from clip_pipeline.evaluation.datasets.names import class_names
from clip_pipeline.sources.web import retries
from clip_pipeline_tests.evaluation.datasets.forms import idx_bytes, small, tar_bytes
from clip_pipeline_tests.made.tiny_model import jpeg
from clip_pipeline_tests.sources.loopback import Answer, loopback

PHOTO = jpeg((10, 200, 30))


@pytest.fixture
def site(monkeypatch):
    monkeypatch.setattr(retries, "backoff_seconds", lambda attempt, generator: 0.0)
    with loopback() as running:
        yield running


def offered(site, name: str, content: bytes, **more) -> Download:
    """A file on the site, and the entry's description of it."""

    def answer(request, count):
        asked = re.fullmatch(r"bytes=(\d+)-", request.headers.get("Range", ""))
        if not asked:
            return Answer(body=content)
        start = int(asked[1])
        if start >= len(content):
            return Answer(416)
        told = {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"}
        return Answer(206, content[start:], told)

    site.routes[f"/{name}"] = answer
    return Download(f"http://data.test/{name}", len(content), hashlib.md5(content).hexdigest(), **more)


def cifar_tar() -> bytes:
    names = [
        f"cifar10/{split}/{one}/1.jpg" for split in ("train", "test") for one in class_names(find_entry("cifar10"))
    ]
    return tar_bytes(dict.fromkeys(names, PHOTO), "w:gz")


def cifar(*downloads: Download):
    return small("cifar10", {"train": 10, "test": 10}, {"train": 1, "test": 1}, downloads=downloads)


def test_an_archive_is_verified_unpacked_and_opened(site, tmp_path):
    entry = cifar(offered(site, "cifar.tar.gz", cifar_tar(), unpack=("*",)))
    dataset = download_dataset(entry, tmp_path / "new", site.hosts("data.test"))
    assert (len(dataset.ids), dataset.read(0)) == (20, PHOTO)
    assert not (tmp_path / "new" / "cifar.tar.gz").exists()
    asked = len(site.requests)
    assert download_dataset(entry, tmp_path / "new", site.hosts("data.test")).ids == dataset.ids
    assert len(site.requests) == asked, "what is there is not asked for again"


def test_files_that_are_no_archives_stay_as_they_are(site, tmp_path):
    files = {"images-idx3": np.zeros((20, 4, 4), np.uint8), "labels-idx1": (np.arange(20) % 10).astype(np.uint8)}
    offers = [
        offered(site, f"{stem}-{kind}-ubyte.gz", gzip.compress(idx_bytes(array)))
        for stem in ("train", "t10k")
        for kind, array in files.items()
    ]
    entry = small("mnist", {"train": 20, "test": 20}, downloads=tuple(offers))
    assert len(download_dataset(entry, tmp_path, site.hosts("data.test")).ids) == 40
    assert len(list(tmp_path.glob("*.gz"))) == 4


def test_a_download_that_broke_off_goes_on_where_it_was(site, tmp_path):
    content = cifar_tar()
    entry = cifar(offered(site, "cifar.tar.gz", content, unpack=("*",)))
    (tmp_path / "cifar.tar.gz.part").write_bytes(content[:100])
    download_dataset(entry, tmp_path, site.hosts("data.test"), keep_archives=True)
    assert [headers.get("Range") for headers in site.headers] == ["bytes=100-"]
    assert (tmp_path / "cifar.tar.gz").read_bytes() == content


def test_a_file_of_another_checksum_is_refused(site, tmp_path):
    offer = offered(site, "cifar.tar.gz", cifar_tar(), unpack=("*",))
    with pytest.raises(
        SourceError, match=r"came twice with a wrong md5.*Get it by hand from https://www.cs.toronto.edu"
    ):
        download_dataset(cifar(replace(offer, md5="0" * 32)), tmp_path, site.hosts("data.test"))
    assert not list(tmp_path.rglob("*.jpg"))


def test_the_stronger_checksum_counts(site, tmp_path):
    offer = offered(site, "cifar.tar.gz", cifar_tar(), unpack=("*",))
    with pytest.raises(SourceError, match="wrong sha256"):
        download_dataset(cifar(replace(offer, sha256="0" * 64)), tmp_path, site.hosts("data.test"))


def test_a_run_that_was_killed_while_unpacking_finishes(site, tmp_path, monkeypatch):
    entry = cifar(offered(site, "cifar.tar.gz", cifar_tar(), unpack=("*",)))

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(downloading, "unpack", stop)
    with pytest.raises(KeyboardInterrupt):
        download_dataset(entry, tmp_path, site.hosts("data.test"))
    monkeypatch.undo()
    assert len(download_dataset(entry, tmp_path, site.hosts("data.test")).ids) == 20
    assert site.count("/cifar.tar.gz") == 1, "the archive was whole and is not downloaded again"


def test_only_what_is_wanted_of_an_archive_is_unpacked_and_archives_in_it_too(site, tmp_path):
    folders = list(class_names(find_entry("caltech101_background")))
    photos = tar_bytes({f"101_ObjectCategories/{folder}/image_0001.jpg": PHOTO for folder in folders}, "w:gz")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        packed.writestr("caltech-101/101_ObjectCategories.tar.gz", photos)
        packed.writestr("caltech-101/Annotations.tar", b"no tar at all")
    (download,) = find_entry("caltech101").downloads
    offer = offered(site, "caltech-101.zip", buffer.getvalue(), unpack=download.unpack, inner=download.inner)
    dataset = download_dataset(
        small("caltech101", {"test": 101}, downloads=(offer,)), tmp_path, site.hosts("data.test")
    )
    assert len(dataset.class_names) == 101
    assert {path.name for path in (tmp_path / "caltech-101").iterdir()} == {"101_ObjectCategories"}


def test_coco_is_two_archives_of_which_few_files_are_taken(site, tmp_path):
    images = [{"id": n, "file_name": f"{n}.jpg"} for n in (1, 2)]
    told = [{"image_id": n, "caption": f"scene {k}"} for n in (1, 2) for k in range(5)]
    annotations = {"annotations/captions_val2017.json": json.dumps({"images": images, "annotations": told}).encode()}
    contents = [
        {"val2017/1.jpg": PHOTO, "val2017/2.jpg": PHOTO},
        annotations | {"annotations/instances_val2017.json": b"{}"},
    ]
    offers = []
    for number, (members, known) in enumerate(zip(contents, find_entry("coco_captions").downloads, strict=True)):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as packed:
            for name, content in members.items():
                packed.writestr(name, content)
        offers.append(offered(site, f"{number}.zip", buffer.getvalue(), unpack=known.unpack))
    entry = small("coco_captions", {"test": 2}, downloads=tuple(offers))
    with pytest.raises(MissingKeyError, match="terms of use of Flickr.*run again with --accept-terms"):
        download_dataset(entry, tmp_path, site.hosts("data.test"))
    assert not site.requests
    dataset = download_dataset(entry, tmp_path, site.hosts("data.test"), accept_terms=True)
    assert dataset.ids == ["val2017/1", "val2017/2"]
    assert not (tmp_path / "annotations/instances_val2017.json").exists()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("imagenet", "Ask for access at https://image-net.org"),
        ("flickr30k", "Ask for it at https://shannon.cs"),
        ("digits", "nothing: it comes with scikit-learn"),
    ],
)
def test_what_may_not_be_downloaded_for_you_says_what_to_do(tmp_path, name, message):
    with pytest.raises(DatasetError, match=f"cannot be downloaded for you.*{message}"):
        download_dataset(find_entry(name), tmp_path)


def test_a_disk_without_room_is_told_before_anything_is_asked_for(site, tmp_path):
    offer = offered(site, "cifar.tar.gz", cifar_tar(), unpack=("*",))
    with pytest.raises(DiskError, match="takes about 2,200,000.0 GB while it is unpacked"):
        download_dataset(cifar(replace(offer, size=10**15)), tmp_path, site.hosts("data.test"))
    assert not site.requests


def test_the_command_line_lists_shows_and_downloads_from_a_mirror(site, tmp_path):
    listed = CliRunner().invoke(commands, ["datasets"])
    assert listed.exit_code == 0 and "caltech101_background" in listed.output and "by hand" in listed.output
    shown = CliRunner().invoke(commands, ["datasets", "show", "cifar10"])
    assert "airplane, automobile" in shown.output and "clip-pipeline datasets download cifar10 FOLDER" in shown.output
    result = CliRunner().invoke(
        commands, ["datasets", "download", "cifar10", str(tmp_path), "--mirror", f"http://127.0.0.1:{site.port}/sets"]
    )
    assert isinstance(result.exception, SourceError) and "answers with status 404" in str(result.exception)
    assert site.requests[0][1] == "/sets/cifar-10-python.tar.gz"
