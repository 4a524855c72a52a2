"""Runs a download again and again and kills it each time; started by test_catalog as a process of its own.

    python -m clip_pipeline_tests.images.killed_downloads CATALOG OUTPUT PORT KILLS

Each run is a fork of this process, which has all modules loaded already, so that a run is at work within a few milliseconds
and kills fall into every phase of it; its decoder is a fork as well. Half of them are counted from the start, half from the first photo in the journal. Each
download that comes to its end in spite of them is followed by another in a folder of its own: OUTPUT/0, OUTPUT/1 ... Prints the
number of the last folder.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import sys
import time
from pathlib import Path
from unittest import mock

from clip_pipeline.images.download import catalog, decode_pool, decode_worker
from clip_pipeline.images.download.decode_pool import SECONDS_A_PHOTO, DecodePool
from clip_pipeline.settings import DownloadSettings
from clip_pipeline.sources import fetch

LIGHT = "clip_pipeline_tests.images.bad_decoders:light"
SETTINGS = DownloadSettings(min_side=8, connections=4, photos_per_shard=100, robots_txt=False)


class Forked:
    """A process of the decoder that is a fork of this one; `start` takes the place of `start_processes`, once."""

    def __init__(self, check: str, seconds: int):
        (photos_out, photos_in), (answers_out, answers_in) = os.pipe(), os.pipe()
        self.ends = [(photos_in, answers_out)]
        self.pid = os.fork()
        if self.pid == 0:
            os.close(photos_in)
            os.close(answers_out)
            options = {"check": check, "seconds": seconds, "pipes": [(photos_out, answers_in)]}
            sys.argv = ["decode_worker", json.dumps(options)]
            decode_worker.main()
            os._exit(0)
        os.close(photos_out)
        os.close(answers_in)

    def start(self, count: int, check: str, seconds: int) -> tuple[Forked, list[tuple[int, int]]]:
        assert count == len(self.ends), "one worker, and it has not crashed"
        ends, self.ends = self.ends, []
        return self, ends

    def wait(self) -> int:
        """Its exit status, once it has ended."""
        for pair in self.ends:
            for end in pair:
                os.close(end)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def run_download(listed: Path, output: Path, port: int, decoder: Forked | None = None) -> None:
    """One download from its start to its end. decoder: in the place of a process that the download would start."""
    decoders = DecodePool(1, check=LIGHT)
    if decoder is not None:
        with mock.patch.object(decode_pool, "start_processes", decoder.start):
            download(decoders, listed, output, port)
        decoder.wait()
    else:
        download(decoders, listed, output, port)


def download(decoders: DecodePool, listed: Path, output: Path, port: int) -> None:
    with (
        mock.patch.object(catalog, "shared_decode_pool", lambda workers: decoders),
        fetch.PhotoFetcher(SETTINGS, {"photos.test": ("127.0.0.1", port)}) as fetcher,
    ):
        catalog.download_catalog(listed, output, SETTINGS, fetcher)
    decoders.end()


def journal_bytes(output: Path) -> dict[Path, int]:
    """Segments of the journals and their sizes; fewer where a run removes its own at this moment, for it has come to its end."""
    sizes = {}
    with contextlib.suppress(FileNotFoundError):
        for path in output.glob(".*.work/*/*.journal"):
            sizes[path] = path.stat().st_size
    return sizes


def kill_once(arguments: tuple[Path, Path, int], seconds: float, from_first_photo: bool) -> bool:
    """Starts a run and kills it after that time; whether it was still at work."""
    output = arguments[1]
    before = journal_bytes(output)
    child = os.fork()
    if child == 0:
        run_download(*arguments, decoder=Forked(LIGHT, SECONDS_A_PHOTO))
        os._exit(0)
    while from_first_photo and not os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT):
        if any(size > before.get(path, 0) for path, size in journal_bytes(output).items()):
            break
        time.sleep(0.002)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def main() -> None:
    catalog, output, port, kills = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    chance = random.Random(7)
    killed = folder = 0
    (output / "0").mkdir(parents=True)
    while killed < kills:
        at_work = kill_once((catalog, output / str(folder), port), chance.uniform(0.0, 0.35), killed % 2 == 1)
        killed += at_work
        if not at_work:
            folder += 1
            (output / str(folder)).mkdir()
    sys.stdout.write(f"{folder}\n")


if __name__ == "__main__":
    main()
