"""Runs a download again and again and kills it each time; started by test_collection as a process of its own.

    python -m clip_pipeline_tests.images.killed_downloads CATALOG OUTPUT PORT KILLS

Each run is a fork of this process, which has all modules loaded already, so that a run is at work within a few milliseconds
and kills fall into every phase of it. Half of them are counted from the start, half from the first photo in the journal. Prints
how many runs were killed before their end.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from pathlib import Path

from clip_pipeline.images import collection
from clip_pipeline.images.decoders import Decoders
from clip_pipeline.recipes import DownloadSettings
from clip_pipeline.sources import fetch

LIGHT = "clip_pipeline_tests.images.bad_decoders:light"
SETTINGS = DownloadSettings(min_side=8, connections=4, photos_per_shard=100, robots_txt=False)


def run_download(catalog: Path, output: Path, port: int) -> None:
    """One download from its start to its end."""
    decoders = Decoders(1, check=LIGHT)
    collection.shared_decoders = lambda workers: decoders
    with fetch.PhotoFetcher(SETTINGS, {"photos.test": ("127.0.0.1", port)}) as fetcher:
        collection.download_catalog(catalog, output, SETTINGS, fetcher)
    decoders.end()


def kill_once(arguments: tuple[Path, Path, int], seconds: float, from_first_photo: bool) -> bool:
    """Starts a run and kills it after that time; whether it was still at work."""
    output = arguments[1]
    before = {path: path.stat().st_size for path in output.glob(".*.work/*/*.journal")}
    child = os.fork()
    if child == 0:
        run_download(*arguments)
        os._exit(0)
    while from_first_photo and not os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT):
        found = {path for path in output.glob(".*.work/*/*.journal") if path.stat().st_size > before.get(path, 0)}
        if found:
            break
        time.sleep(0.002)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def main() -> None:
    catalog, output, port, kills = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    chance = random.Random(7)
    killed = 0
    for number in range(kills):
        late = number % 2 == 0
        seconds = chance.uniform(0, 0.2) if late else chance.uniform(0.05, 0.6)
        killed += kill_once((catalog, output, port), seconds, late)
    sys.stdout.write(f"{killed}\n")


if __name__ == "__main__":
    main()
