"""Photos a second and memory: clip_pipeline's download beside img2dataset 1.47.0, same server, same photos, same resize.

    python benchmarks/download.py                    both in turn, three rounds, and the ratio
    python benchmarks/download.py --growth           our peak memory at 2,000, 10,000 and 50,000 photos
    python benchmarks/download.py --stages           what one photo costs, step by step

The photos are crops of the real ones in --photos-from (a tar of JPEGs), 640 x 480, each another one; a process of its own serves
them from memory on loopback. Rates are of the whole command, its start included. Memory is the largest sum of the
proportional set sizes (PSS) of the command and all processes below it, five times a second. img2dataset lives in an
environment of its own below --environments, made at the first run (780 MB).
"""

from __future__ import annotations

import argparse
import asyncio
import io
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve()
SHARED = HERE.parents[2] / "shared" / "data" / "flickr8k_orig_1000.tar"
PEER = "img2dataset==1.47.0"
SIDE, QUALITY = 256, 90
HOST = "photos.test"


# ---- the photos and their server


def photo_set(source: Path, folder: Path, count: int) -> Path:
    """A folder of `count` different photos of 640 x 480, made once."""
    from PIL import Image

    folder = folder / f"photos_{count}"
    if (folder / "complete").exists():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    chance = random.Random(0)
    with tarfile.open(source) as tar:
        originals = [tar.extractfile(entry).read() for entry in tar if entry.name.endswith(".jpg")]
    for number in range(count):
        with Image.open(io.BytesIO(originals[number % len(originals)])) as opened:
            photo = opened.convert("RGB")
        width = round(min(photo.width, photo.height * 4 / 3) * chance.uniform(0.75, 1.0))
        height = round(width * 3 / 4)
        left, top = chance.randint(0, photo.width - width), chance.randint(0, photo.height - height)
        crop = photo.crop((left, top, left + width, top + height)).resize((640, 480), Image.Resampling.LANCZOS)
        if number // len(originals) % 2:
            crop = crop.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        crop.save(folder / f"{number:06d}.jpg", "JPEG", quality=85)
    (folder / "complete").touch()
    return folder


class _Answers(asyncio.Protocol):
    """GET /NUMBER.jpg: photo NUMBER modulo their count. Keeps the connection as long as the client wants."""

    photos: list[bytes] = []

    def connection_made(self, transport: Any) -> None:
        self.transport, self.rest = transport, b""

    def data_received(self, data: bytes) -> None:
        self.rest += data
        while (end := self.rest.find(b"\r\n\r\n")) >= 0:
            head, self.rest = self.rest[:end], self.rest[end + 4 :]
            name = head.split(b" ", 2)[1].rpartition(b"/")[2]
            close = b"connection: close" in head.lower()
            if name.endswith(b".jpg"):
                self.transport.write(self.photos[int(name[:-4]) % len(self.photos)])
            else:
                self.transport.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
            if close:
                self.transport.close()


def serve(folder: Path) -> None:
    """Serves until its input ends; prints its port first."""

    async def run() -> None:
        for path in sorted(folder.glob("*.jpg")):
            body = path.read_bytes()
            head = f"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: {len(body)}\r\n\r\n"
            _Answers.photos.append(head.encode() + body)
        server = await asyncio.get_running_loop().create_server(_Answers, "127.0.0.1", 0, backlog=1024)
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.to_thread(sys.stdin.read)

    asyncio.run(run())


# ---- measuring a command


def process_family(root: int) -> set[int]:
    """A process and all below it."""
    parents = {}
    for place in Path("/proc").iterdir():
        if place.name.isdigit():
            try:
                text = (place / "stat").read_text()
            except OSError:
                continue
            parents[int(place.name)] = int(text.rpartition(")")[2].split()[1])
    family, grown = {root}, True
    while grown:
        more = {child for child, parent in parents.items() if parent in family} - family
        family |= more
        grown = bool(more)
    return family


def tree_pss(root: int) -> float:
    """MB that a process and all below it hold; pages that several hold count once in all."""
    total = 0
    for process in process_family(root):
        try:
            lines = Path("/proc", str(process), "smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)
    return total / 1024


def measured(command: list[str], environment: dict[str, str]) -> dict[str, float]:
    """seconds, cpu (of the command and its children) and memory (MB) of a command. Raises when it fails."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.monotonic()
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, env=environment, stdout=said, stderr=subprocess.STDOUT)
        peak, done = [0.0], threading.Event()

        def watch() -> None:
            while not done.wait(0.2):
                peak.append(tree_pss(process.pid))

        watcher = threading.Thread(target=watch)
        watcher.start()
        status = process.wait()
        seconds = time.monotonic() - started
        done.set()
        watcher.join()
        said.seek(0)
        if status:
            raise SystemExit(f"{' '.join(command)} failed:\n{said.read().decode()[-3000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"seconds": seconds, "cpu": cpu, "memory": max(peak)}


def cpu_of(process: int) -> float:
    """CPU seconds of one process so far."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# ---- the two


def peer_environment(environments: Path) -> Path:
    """The python of an environment that has img2dataset."""
    python = environments / "img2dataset" / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(environments / "img2dataset")], check=True)
    found = subprocess.run([python, "-c", "import img2dataset"], capture_output=True)
    if found.returncode:
        subprocess.run([python, "-m", "pip", "install", "-q", PEER], check=True)
    return python


def url_list(path: Path, host: str, count: int) -> Path:
    """A Parquet file with `count` urls and captions."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    urls = [f"http://{host}/{number:06d}.jpg" for number in range(count)]
    captions = [f"photo number {number} of many" for number in range(count)]
    pq.write_table(pa.table({"url": urls, "caption": captions}), path)
    return path


def run_ours(urls: Path, output: Path, port: int) -> None:
    """What `clip-pipeline download` does, with the name of the benchmark's host pointing to loopback."""
    from clip_pipeline.api.download import download
    from clip_pipeline.settings import Recipe, with_settings

    recipe = with_settings(Recipe(), [f"download.image_size={SIDE}", f"download.quality={QUALITY}"])
    download(urls, output, recipe=recipe, hosts={HOST: ("127.0.0.1", port)})


def peer_command(python: Path, urls: Path, output: Path) -> list[str]:
    options = {
        "url_list": urls,
        "input_format": "parquet",
        "url_col": "url",
        "caption_col": "caption",
        "output_folder": output,
        "output_format": "webdataset",
        "processes_count": os.cpu_count(),
        "thread_count": 32,
        "image_size": SIDE,
        "resize_mode": "keep_ratio",
        "resize_only_if_bigger": True,
        "encode_quality": QUALITY,
        "number_sample_per_shard": 1000,
    }
    start = "import sys; from img2dataset.main import main; main()"
    return [str(python), "-c", start, *(f"--{name}={value}" for name, value in options.items())]


def stored_photos(output: Path) -> int:
    """Photos in the tars below a folder."""
    count = 0
    for path in output.glob("*.tar"):
        with tarfile.open(path) as tar:
            count += sum(name.endswith(".jpg") for name in tar.getnames())
    return count


class Bench:
    """A server of the photo set, and the commands that fetch from it."""

    def __init__(self, arguments: argparse.Namespace, scratch: Path):
        self.scratch = scratch
        self.photos = photo_set(arguments.photos_from, arguments.environments, arguments.photos)
        command = [sys.executable, str(HERE), "--serve", str(self.photos)]
        self.server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port = int(self.server.stdout.readline())

    def run(self, name: str, count: int, python: Path | None = None) -> dict[str, float]:
        """One run of ours, or of the peer where its python is given; checks that all photos are there."""
        output = self.scratch / name
        shutil.rmtree(output, ignore_errors=True)
        if python is None:
            urls = url_list(self.scratch / "ours.parquet", HOST, count)
            command = [sys.executable, str(HERE), "--ours", str(urls), str(output), str(self.port)]
        else:
            urls = url_list(self.scratch / "peer.parquet", f"127.0.0.1:{self.port}", count)
            command = peer_command(python, urls, output)
        served = cpu_of(self.server.pid)
        as_our_command = {"ARROW_DEFAULT_MEMORY_POOL": "system"}  # set by cli.main
        figures = measured(command, os.environ | (as_our_command if python is None else {}))
        figures["server"] = cpu_of(self.server.pid) - served
        if (stored := stored_photos(output)) != count:
            raise SystemExit(f"{name} stored {stored} of {count} photos")
        shutil.rmtree(output)
        print(
            f"  {name:<14} {count / figures['seconds']:>7.0f} photos/s {figures['memory']:>6.0f} MB "
            f"{1000 * figures['cpu'] / count:>6.2f} ms CPU a photo (server {1000 * figures['server'] / count:.2f})",
            flush=True,
        )
        return figures

    def close(self) -> None:
        self.server.stdin.close()
        self.server.wait()


def compare(bench: Bench, arguments: argparse.Namespace) -> None:
    """Both in turn; medians, ratio, verdict."""
    python = peer_environment(arguments.environments)
    ours, theirs = [], []
    print(
        f"{arguments.photos:,} photos of 640 x 480 to {SIDE} pixels, {os.cpu_count()} cores, {arguments.rounds} rounds"
    )
    for _ in range(arguments.rounds):
        theirs.append(bench.run("img2dataset", arguments.photos, python))
        ours.append(bench.run("clip_pipeline", arguments.photos))
    rate = {
        name: arguments.photos / statistics.median(run["seconds"] for run in runs)
        for name, runs in (("ours", ours), ("theirs", theirs))
    }
    memory = {
        name: statistics.median(run["memory"] for run in runs) for name, runs in (("ours", ours), ("theirs", theirs))
    }
    print(f"medians: clip_pipeline {rate['ours']:.0f} photos/s, {memory['ours']:.0f} MB; ", end="")
    print(f"img2dataset {rate['theirs']:.0f} photos/s, {memory['theirs']:.0f} MB")
    ratio = rate["ours"] / rate["theirs"]
    met = ratio >= 2 and memory["ours"] <= memory["theirs"]
    print(
        f"ratio: {ratio:.2f} times its photos a second, {memory['ours'] / memory['theirs']:.2f} times its memory",
        end="",
    )
    print(f" (wanted: 2 and 1: {'met' if met else 'NOT met'})")


def growth(bench: Bench) -> None:
    """Our peak memory as the list grows."""
    for count in (2_000, 10_000, 50_000):
        bench.run(f"{count:,}", count)


def stages(bench: Bench) -> None:
    """What the parts of one photo cost on one core, in this process."""
    import simplejpeg

    from clip_pipeline.images.download.check_photo import check_photo
    from clip_pipeline.images.download.signature import image_signature
    from clip_pipeline.pixels.resize import resize_rgb
    from clip_pipeline.settings import DownloadSettings

    settings = DownloadSettings(image_size=SIDE, quality=QUALITY)
    contents = [path.read_bytes() for path in sorted(bench.photos.glob("*.jpg"))[:500]]
    spent = dict.fromkeys(("decode", "resize", "encode", "image_signature", "check_photo (all but that)"), 0.0)

    def timed(name: str, call: Any) -> Any:
        started = time.process_time()
        result = call()
        spent[name] += time.process_time() - started
        return result

    check_photo(contents[0], settings)
    for content in contents:
        pixels = timed("decode", lambda content=content: simplejpeg.decode_jpeg(content))
        small = timed("resize", lambda pixels=pixels: resize_rgb(pixels, 341, 256))
        timed("encode", lambda small=small: simplejpeg.encode_jpeg(small, quality=QUALITY, colorsubsampling="420"))
        checked = timed("check_photo (all but that)", lambda content=content: check_photo(content, settings))
        timed("image_signature", lambda checked=checked: image_signature(checked.image))
    for name, seconds in spent.items():
        print(f"  {name:<28} {1000 * seconds / len(contents):.3f} ms")
    pure = 1000 * sum(spent[name] for name in ("decode", "resize", "encode")) / len(contents)
    run = bench.run("clip_pipeline", 4 * len(contents))
    whole = 1000 * run["cpu"] / (4 * len(contents))
    print(f"pure decode + resize + encode: {pure:.2f} ms of {whole:.2f} ms CPU a photo: {pure / whole:.0%}")


def main() -> None:
    from clip_pipeline.storage.scratch import scratch_folder

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cache = Path(tempfile.gettempdir()) / "clip_pipeline_benchmarks"
    parser.add_argument(
        "--environments", type=Path, default=cache, help="folder for the peer's environment and the photos"
    )
    parser.add_argument("--photos-from", type=Path, default=SHARED, help="tar of JPEGs that the photos are crops of")
    parser.add_argument("--photos", type=int, default=4000, help="photos to fetch")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--growth", action="store_true", help="only our memory, for 2,000 to 50,000 photos")
    parser.add_argument("--stages", action="store_true", help="only what one photo costs, step by step")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--ours", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve(arguments.serve)
        return
    if arguments.ours:
        urls, output, port = arguments.ours
        run_ours(Path(urls), Path(output), int(port))
        return
    with scratch_folder("download_benchmark") as scratch:
        bench = Bench(arguments, scratch)
        try:
            if arguments.growth:
                growth(bench)
            elif arguments.stages:
                stages(bench)
            else:
                compare(bench, arguments)
        finally:
            bench.close()


if __name__ == "__main__":
    main()
