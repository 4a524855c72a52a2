"""Cases on a folder of shards: a download onto an older one, and take-downs."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clip_pipeline.display.left_out import LeftOut
from clip_pipeline_tests.crash_points.case import Case, scratch_left

OLD, NEW = range(36), range(12, 44)
GONE = 20
"""Photos of the older list, of the newer one, and the one that is taken down."""


def photo_bytes(number: int) -> bytes:
    """The same photo each time."""
    from clip_pipeline_tests.images.photos import jpeg, scene

    return jpeg(scene(number, size=(64, 48)))


def write_list(path: Path, numbers: range) -> None:
    """A url list of photos."""
    rows = [{"id": f"photo{n}", "url": f"http://photos.test/{n}.jpg", "caption": f"photo {n}"} for n in numbers]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def download(folder: Path, numbers: range, port: int) -> None:
    """As `clip-pipeline download`, with a decoder that is a fork of this process."""
    from dataclasses import replace
    from unittest import mock

    from clip_pipeline.images.download import catalog, decode_pool
    from clip_pipeline.images.download.decode_pool import SECONDS_A_PHOTO, DecodePool
    from clip_pipeline.images.download.into_shards import download_listed
    from clip_pipeline.sources import fetch
    from clip_pipeline.sources.photos.url_list import list_url_photos
    from clip_pipeline_tests.images.killed_downloads import LIGHT, SETTINGS, Forked

    settings = replace(SETTINGS, photos_per_shard=12, retries=0, connections=2)
    listed = folder / f"list_{numbers.start}.jsonl"
    write_list(listed, numbers)
    decoders = DecodePool(1, check=LIGHT)
    decoder = Forked(LIGHT, SECONDS_A_PHOTO)
    with (
        mock.patch.object(decode_pool, "start_processes", decoder.start),
        mock.patch.object(catalog, "shared_decode_pool", lambda workers: decoders),
        fetch.PhotoFetcher(settings, {"photos.test": ("127.0.0.1", port)}) as fetcher,
    ):
        download_listed(list_url_photos(listed, LeftOut()), folder / "shards", settings, fetcher)
    decoders.end()
    if decoder.ends:  # no photo came to it
        decoder.wait()


@contextmanager
def photo_host() -> Iterator[int]:
    """A photo host in a process of its own, which answers /asked with what it was asked for; its port."""
    import signal

    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        from clip_pipeline_tests.sources.loopback import Answer, loopback

        with loopback() as site:
            for number in range(60):
                site.always(f"/{number}.jpg", Answer(body=photo_bytes(number)))
            site.routes["/asked"] = lambda request, count: Answer(
                body=json.dumps([path for _, path in site.requests]).encode()
            )
            site.routes["/forget"] = lambda request, count: Answer(body=str(site.requests.clear()).encode())
            os.write(writing, str(site.port).encode())
            while True:
                signal.pause()
    try:
        yield int(os.read(reading, 20))
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def asked_of(port: int, path: str = "/asked") -> list[str]:
    """What the host was asked for since it was last told to forget."""
    import urllib.request

    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}") as answer:
        content = answer.read()
    return json.loads(content) if path == "/asked" else []


@contextmanager
def download_onto_an_older_one() -> Iterator[Case]:
    """A list that lost photos and got others: the shards are made again from what they hold."""
    with photo_host() as port:

        def command(folder: Path) -> None:
            download(folder, NEW, port)

        def prepare(folder: Path) -> None:
            download_in_fork(folder, OLD, port)
            asked_of(port, "/forget")

        def promises(folder: Path) -> list[str]:
            asked = {path for path in asked_of(port) if path.endswith(".jpg")}
            asked_of(port, "/forget")
            again = sorted(asked & {f"/{number}.jpg" for number in set(OLD) & set(NEW)})
            return scratch_left(folder) + [f"{path} was asked for again" for path in again]

        yield Case("download", prepare, command, promises=promises)


def download_in_fork(folder: Path, numbers: range, port: int) -> None:
    """Threads and decoders belong to a process that ends."""
    child = os.fork()
    if child == 0:
        try:
            download(folder, numbers, port)
        except BaseException:  # noqa: BLE001 - the parent says that it failed
            import traceback

            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        raise RuntimeError("the older download failed")


def take_down(folder: Path) -> None:
    """As `clip-pipeline takedown --shards`, by url, which no file of the shards says once the photo is gone."""
    from clip_pipeline.api.take_down import take_down

    take_down([f"http://photos.test/{GONE}.jpg"], shards=folder / "shards", reason="asked")


def still_there(folder: Path) -> list[str]:
    """Files that hold the photo, its name or its bytes, but for the record."""
    import pyarrow.parquet as pq

    names = [f"photo{GONE}".encode(), photo_bytes(GONE)[-300:-200]]
    found = []
    for path in sorted((folder / "shards").rglob("*")):
        if not path.is_file() or path.name == "takedowns.jsonl":
            continue
        content = path.read_bytes()
        if path.suffix == ".parquet":
            content = json.dumps(pq.read_table(path)["id"].to_pylist()).encode().replace(b'"', b" ")
        if any(name in content for name in names):
            found.append(f"{path.relative_to(folder)} still holds the photo")
    return found


@contextmanager
def takedown_of_a_folder(name: str, unfinished: bool) -> Iterator[Case]:
    """unfinished: a newer download was killed there, whose journal holds the photo's neighbours. The host is gone in both."""

    def prepare(folder: Path) -> None:
        with photo_host() as port:
            download_in_fork(folder, OLD, port)
        if unfinished:
            for work in ("settings", "others"):
                _journal(folder / "shards" / ".00000.work" / work)
                _journal(folder / "shards" / ".00009.work" / work)

    yield Case(name, prepare, take_down, promises=lambda folder: scratch_left(folder) + still_there(folder))


def _journal(folder: Path) -> None:
    from clip_pipeline.images.download.journal import Journal

    journal = Journal(folder)
    for number in (GONE - 1, GONE, GONE + 1):
        content = photo_bytes(number)
        about = {"id": f"photo{number}", "url": f"http://photos.test/{number}.jpg", "status": "success"}
        journal.write(about | {"sha256": hashlib.sha256(content).hexdigest(), "phash": number}, content)
    journal.close()
    next(folder.glob("*.journal")).rename(folder / "100.journal")
