"""A long download through faults and outages: nothing may be lost, memory must stay flat, and all that could be had is there in the end.

    python benchmarks/outages.py                        50,000 photos of ten hosts, 5 % of them faulty
    python benchmarks/outages.py --photos 5000 --calm   fewer, and a calm download beside it: equal bytes

Ten hosts on loopback, two of them in processes of their own. One photo in twenty has a fault: it is not there (404), a page of HTML,
a file that is cut, an error of the server the first time it is asked for, or a connection that breaks the first time. When
three tenths of the shards are done the two hosts are killed; they come back after a while and die once more at six tenths. The
command is run again as a person would, until no shard lacks a photo. Then every row is looked at: each photo of the list is
there once, with the bytes that its host has or with the right reason. Memory is the sum of the proportional set sizes of the
command and all processes below it (PSS), twice a second.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import io
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from download import tree_pss

HERE = Path(__file__).resolve()
HOSTS = 10
DYING = ("host0.test", "host1.test")
SIZE = (128, 96)
IMAGES = 200
FAULTS = {0: "missing", 1: "html", 2: "truncated", 3: "error_once", 4: "cut_once"}
"""Of a hundred photos those with these numbers have a fault."""

FINAL_STATUS = {"missing": "not_found", "html": "not_an_image", "truncated": "broken_image"}
KILLED_AT = (0.3, 0.6)
MAX_RUNS = 30
MAX_GROWTH, GROWTH_SHOWS_FROM = 1.25, 10_000
"""Photos from which on memory that grows with them would show."""


# ---- the photos


def host_of(number: int) -> str:
    """The host of a photo, by chance of its number."""
    return f"host{_chance(number) % HOSTS}.test"


def fault_of(number: int) -> str:
    """The fault of a photo, "" for 95 of a hundred."""
    return FAULTS.get(_chance(number) // HOSTS % 100, "")


def _chance(number: int) -> int:
    return int.from_bytes(hashlib.sha256(b"%d" % number).digest()[:6], "big")


@lru_cache(maxsize=IMAGES)
def _image(number: int) -> bytes:
    from PIL import Image

    chance = random.Random(number)
    small = Image.frombytes("RGB", (8, 6), bytes(chance.randrange(256) for _ in range(8 * 6 * 3)))
    buffer = io.BytesIO()
    small.resize(SIZE, Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=80)
    return buffer.getvalue()


def photo_bytes(number: int) -> bytes:
    """The file of a photo: one of a few images with the number in a comment, so that no two files are equal."""
    image, comment = _image(number % IMAGES), b"photo %d" % number
    return image[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + image[2:]


# ---- the hosts


class _Answers(asyncio.Protocol):
    """GET /NUMBER.jpg: the photo or its fault. Keeps the connection as long as the client wants."""

    asked: set[int] = set()

    def connection_made(self, transport: Any) -> None:
        self.transport, self.rest = transport, b""

    def data_received(self, data: bytes) -> None:
        self.rest += data
        while (end := self.rest.find(b"\r\n\r\n")) >= 0:
            head, self.rest = self.rest[:end], self.rest[end + 4 :]
            name = head.split(b" ", 2)[1].rpartition(b"/")[2]
            if name.endswith(b".jpg"):
                self._answer(int(name[:-4]))
            else:
                self._send(b"404 Not Found", b"")

    def _answer(self, number: int) -> None:
        fault, first = fault_of(number), number not in self.asked
        if fault.endswith("_once"):
            self.asked.add(number)
        if fault == "missing":
            self._send(b"404 Not Found", b"")
        elif fault == "html":
            self._send(b"200 OK", b"<!DOCTYPE html><p>Please sign in.")
        elif fault == "truncated":
            content = photo_bytes(number)
            self._send(b"200 OK", content[: len(content) // 2])
        elif fault == "error_once" and first:
            self._send(b"500 Internal Server Error", b"")
        elif fault == "cut_once" and first:
            content = photo_bytes(number)
            self.transport.write(_head(b"200 OK", len(content)) + content[:100])
            self.transport.close()
        else:
            self._send(b"200 OK", photo_bytes(number))

    def _send(self, status: bytes, body: bytes) -> None:
        self.transport.write(_head(status, len(body)) + body)


def _head(status: bytes, length: int) -> bytes:
    return b"HTTP/1.1 %s\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % (status, length)


def serve(port: int) -> None:
    """Serves until its input ends; prints its port first."""

    async def run() -> None:
        server = await asyncio.get_running_loop().create_server(_Answers, "127.0.0.1", port, backlog=1024)
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.to_thread(sys.stdin.read)

    asyncio.run(run())


class Host:
    """A server in a process of its own that can be killed and comes back at the same port."""

    def __init__(self) -> None:
        self.port, self._process = 0, None
        self.start()

    def start(self) -> None:
        """Begins to serve, again where it was killed."""
        command = [sys.executable, str(HERE), "--serve", str(self.port)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port = int(self._process.stdout.readline())

    def kill(self) -> None:
        """Ends at once, whatever is being answered."""
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()


@contextmanager
def hosts_up() -> Iterator[dict[str, Host]]:
    """The hosts by name: the dying ones have a process each, the others share one."""
    steady = Host()
    found = {f"host{number}.test": steady for number in range(HOSTS)}
    found |= {name: Host() for name in DYING}
    try:
        yield found
    finally:
        for host in {id(host): host for host in found.values()}.values():
            host.kill()


# ---- the download


def write_list(path: Path, count: int) -> Path:
    """A Parquet file with the urls and captions of the photos."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    urls = [f"http://{host_of(number)}/{number}.jpg" for number in range(count)]
    pq.write_table(pa.table({"url": urls, "caption": [f"photo number {number}" for number in range(count)]}), path)
    return path


def download_once(links: Path, output: Path, ports: dict[str, int], photos_per_shard: int) -> None:
    """What `clip-pipeline download` does, with the names of the hosts pointing to loopback. Exits with 1 after an outage."""
    from clip_pipeline.api.download import download, lacking_sentence
    from clip_pipeline.errors import ClipPipelineError

    settings = [f"download.photos_per_shard={photos_per_shard}", "download.image_size=96", "download.retry_minutes=0"]
    try:
        download(links, output, settings=settings, hosts={name: ("127.0.0.1", port) for name, port in ports.items()})
    except ClipPipelineError as error:
        raise SystemExit(str(error)) from None
    print(lacking_sentence(output, settings))


@dataclass
class Course:
    """What happened. runs: what each run of the command ended with. memory: (seconds since the start, MB)."""

    runs: list[str] = field(default_factory=list)
    memory: list[tuple[float, float]] = field(default_factory=list)
    outages: int = 0
    seconds: float = 0.0

    @property
    def peaks(self) -> list[float]:
        """The largest sum in each tenth of the time, in MB."""
        length = max(self.seconds, 1e-9)
        parts: list[list[float]] = [[] for _ in range(10)]
        for second, megabytes in self.memory:
            parts[min(int(10 * second / length), 9)].append(megabytes)
        return [max(part, default=0.0) for part in parts]


def download_through_outages(
    links: Path, output: Path, hosts: dict[str, Host], photos: int, photos_per_shard: int, dead_seconds: float
) -> Course:
    """Runs the command until nothing is lacking, and kills the dying hosts on the way."""
    course, began, ended = Course(), time.monotonic(), threading.Event()
    ports = {name: host.port for name, host in hosts.items()}
    command = [
        sys.executable,
        str(HERE),
        "--download",
        str(links),
        str(output),
        json.dumps(ports),
        str(photos_per_shard),
    ]
    running: list[int] = []
    all_up = threading.Event()
    all_up.set()

    def outages() -> None:
        for share in KILLED_AT:
            while len(list(output.glob("*_stats.json"))) * photos_per_shard < share * photos:
                if ended.wait(0.05):
                    return
            all_up.clear()
            for name in DYING:
                hosts[name].kill()
            course.outages += 1
            ended.wait(dead_seconds)
            for name in DYING:
                hosts[name].start()
            all_up.set()

    def watch() -> None:
        while not ended.wait(0.5):
            if running:
                course.memory.append((time.monotonic() - began, tree_pss(running[-1])))

    threads = [threading.Thread(target=outages), threading.Thread(target=watch)]
    for thread in threads:
        thread.start()
    try:
        while len(course.runs) < MAX_RUNS:
            process = subprocess.Popen(
                command, env=os.environ | {"ARROW_DEFAULT_MEMORY_POOL": "system"},
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            )  # fmt: skip
            running.append(process.pid)
            said, complaint = process.communicate()
            course.runs.append(f"exit {process.returncode}: {(complaint or said).strip() or 'nothing is lacking'}")
            print(f"  after {time.monotonic() - began:,.0f} s, {course.runs[-1][-400:]}", flush=True)
            if process.returncode == 0 and not said.strip():
                break
            all_up.wait()
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    course.seconds = time.monotonic() - began
    return course


# ---- what is there in the end


def expected_statuses(photos: int) -> Counter[str]:
    """What each photo must have come to: a fault that passes is no fault."""
    return Counter(FINAL_STATUS.get(fault_of(number), "success") for number in range(photos))


def check_rows(output: Path, photos: int) -> Counter[str]:
    """Looks at every row and every tar; the number of photos by status. Raises SystemExit for the first that is wrong."""
    import pyarrow.parquet as pq

    from clip_pipeline.sources.photos.formats.tar_index import read_shard

    seen: Counter[int] = Counter()
    statuses: Counter[str] = Counter()
    for table in sorted(output.glob("*.parquet")):
        rows = pq.read_table(table, columns=["url", "key", "status", "sha256", "caption"]).to_pylist()
        stored = {key for key, _ in read_shard(table.with_suffix(".tar"))}
        _require(
            stored == {row["key"] for row in rows if row["status"] == "success"}, f"the photos in {table.stem}.tar"
        )
        for row in rows:
            number = int(row["url"].rpartition("/")[2].removesuffix(".jpg"))
            seen[number] += 1
            statuses[row["status"]] += 1
            _require(row["status"] == FINAL_STATUS.get(fault_of(number), "success"), f"the status in {row}")
            _require(row["caption"] == f"photo number {number}", f"the caption in {row}")
            if row["status"] == "success":
                _require(row["sha256"] == hashlib.sha256(photo_bytes(number)).hexdigest(), f"the bytes of {row}")
    _require(seen == Counter(range(photos)), "each photo of the list is a row once")
    return statuses


def _require(right: bool, what: str) -> None:
    if not right:
        raise SystemExit(f"Wrong: {what}")


def same_files(one: Path, other: Path) -> bool:
    """Whether two folders hold the same files with the same bytes."""

    def contents(folder: Path) -> dict[str, str]:
        return {
            path.name: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(folder.iterdir())
            if path.is_file()
        }

    return contents(one) == contents(other)


def main(arguments: list[str] | None = None, say: Callable[[str], None] = print) -> Course:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=50_000)
    parser.add_argument("--photos-per-shard", type=int, default=500)
    parser.add_argument("--dead-seconds", type=float, default=8.0, help="How long the two hosts are gone each time.")
    parser.add_argument(
        "--calm", action="store_true", help="Download once more without an outage and compare the bytes."
    )
    parser.add_argument("--folder", type=Path, help="Where the shards go; a temporary folder by default.")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as scratch, hosts_up() as hosts:
        folder = given.folder or Path(scratch)
        links = write_list(folder / "list.parquet", given.photos)
        course = download_through_outages(
            links, folder / "shards", hosts, given.photos, given.photos_per_shard, given.dead_seconds
        )
        statuses = check_rows(folder / "shards", given.photos)
        _require(statuses == expected_statuses(given.photos), f"all that could be had is there: {dict(statuses)}")
        say(
            f"{given.photos:,} photos in {len(course.runs)} runs and {course.seconds:,.0f} s, {course.outages} outages: {dict(statuses)}"
        )
        peaks = course.peaks
        say(f"Largest memory in each tenth of the time, MB: {', '.join(f'{peak:.0f}' for peak in peaks)}")
        flat = max(peaks[5:]) <= MAX_GROWTH * max(peaks[:5]) or given.photos < GROWTH_SHOWS_FROM
        _require(flat, f"memory is flat: no more than {MAX_GROWTH} times as much in the second half")
        if given.calm:
            ports = {name: host.port for name, host in hosts.items()}
            download_once(links, folder / "calm", ports, given.photos_per_shard)
            _require(same_files(folder / "shards", folder / "calm"), "the bytes are those of a calm download")
            say("The bytes are those of a download without an outage")
    return course


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(int(sys.argv[2]))
    elif sys.argv[1:2] == ["--download"]:
        download_once(Path(sys.argv[2]), Path(sys.argv[3]), json.loads(sys.argv[4]), int(sys.argv[5]))
    else:
        main()
