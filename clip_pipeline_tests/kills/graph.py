"""Runs the whole graph again and again with a trouble at a random moment of each run, until so many have hit.

    python -m clip_pipeline_tests.kills.graph FOLDER [--kills 200] [--seed 0] [--disk]

The command line `clip-pipeline run --recipe tiny`, at its smallest, each a fork of this process. A trouble is one of: all processes
killed, one worker killed, the photo host or the search gone for a while, the disk full. After each the same command goes on in the
same data folder; where it has come to its end the folder must hold the bytes of a run that nobody disturbed, no process, no piece and no
temporary folder may be left, and no run may have ended with a traceback. Then another folder is begun. Pauses of the program are a
twentieth of what they are. Exits with 1 and a line for each promise that was broken.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import random
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

from clip_pipeline_tests.kills import troubles
from clip_pipeline_tests.kills.troubles import Run, Trouble

SHORTER = 20
PR_SET_CHILD_SUBREAPER = 36
MAX_ORPHAN_SECONDS = 5.0


def shorten_pauses() -> None:
    """Called before the package is loaded, whose functions keep `time.sleep`."""
    sleep = time.sleep
    time.sleep = lambda seconds: sleep(seconds / SHORTER)


class Laps:
    """One data folder after the other. troubles: by name."""

    def __init__(self, place: Path, kinds: dict[str, Trouble], chance: random.Random):
        self.place, self.troubles, self.chance = place, kinds, chance
        self.hit: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.laps = 0
        self.runs = 0
        began = time.monotonic()
        self._calm, self._seconds = place / "calm", 1.0
        self._say(self._run(self._calm, 0), "the calm run")
        self._seconds = time.monotonic() - began
        self._wanted = self._bytes_of(self._calm)

    def lap(self, most: int) -> None:
        """A data folder from nothing to its end, with troubles until `most` have hit in all."""
        folder = self.place / f"lap{self.laps}"
        while True:
            status, hits = self._run(folder, most)
            self.runs += 1
            if status == 0:
                break
            if not hits:
                self.wrong.append(f"{folder.name}: ended with {status} untroubled: {self._said(folder)[-1500:]}")
                break
        self._look(folder)
        self.laps += 1

    def _run(self, folder: Path, most: int) -> tuple[int, int]:
        """(exit status, how many troubles hit it) of one run in the folder: one after the other while it lives, until there were `most`."""
        folder.mkdir(exist_ok=True)
        head = os.fork()
        if head == 0:
            _become_a_run(folder)
        run, hits = Run(head, folder / "data", self._seconds, self.chance), 0
        while run.is_alive() and self.hit.total() < most:
            name = self.chance.choice([name for name, trouble in self.troubles.items() if not trouble.is_over(run)])
            hit = self.troubles[name].harm(run)
            self.hit[name] += hit
            hits += hit
        status = os.waitstatus_to_exitcode(os.waitpid(head, 0)[1])
        for orphan in _orphans(head):
            self.wrong.append(f"{folder.name}: process {orphan} is left after {status}")
        if "Traceback" in self._said(folder):
            self.wrong.append(f"{folder.name}: {self._said(folder)[-3000:]}")
        return status, hits

    def _look(self, folder: Path) -> None:
        from clip_pipeline_tests.crash_points.data_cases import unfinished_in

        found = self._bytes_of(folder)
        differing = sorted(
            name for name in found.keys() | self._wanted.keys() if found.get(name) != self._wanted.get(name)
        )
        broken = [f"{name} differs" for name in differing[:5]] + unfinished_in(folder)
        self.wrong += [f"{folder.name}: {line}" for line in broken]
        if not broken:
            shutil.rmtree(folder)

    def _bytes_of(self, folder: Path) -> dict[str, str]:
        from clip_pipeline_tests.crash_points.data_cases import artifacts_of

        return {name: value for name, value in artifacts_of(folder).items() if name.startswith("data/")}

    def _said(self, folder: Path) -> str:
        return (folder / "said").read_text(errors="replace")

    def _say(self, outcome: tuple[int, int], what: str) -> None:
        if outcome[0]:
            self.wrong.append(f"{what} ended with {outcome[0]}: {self._said(self._calm)[-2000:]}")


def _become_a_run(folder: Path) -> None:
    """`clip-pipeline run`, as it is from a terminal; what it says goes to the file `said`."""
    from clip_pipeline.cli import main
    from clip_pipeline_tests.made.small_world import SETTINGS

    status = 1
    try:
        os.setsid()
        with Path(os.devnull).open() as nothing, (folder / "said").open("w") as stream:
            for file, number in ((nothing, 0), (stream, 1), (stream, 2)):
                os.dup2(file.fileno(), number)
        scratch = folder / "scratch"
        scratch.mkdir(exist_ok=True)
        os.environ["TMPDIR"] = tempfile.tempdir = str(scratch)
        options = [word for setting in SETTINGS for word in ("--set", setting)]
        sys.argv = [
            "clip-pipeline",
            "run",
            "--recipe",
            "tiny",
            "--data",
            str(folder / "data"),
            "--no-history",
            *options,
        ]
        main()
        status = 0
    except SystemExit as leaving:
        status = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    except BaseException:  # noqa: BLE001 - it is in the file, and found there
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _orphans(head: int) -> list[int]:
    """Processes of the run that do not end by themselves."""
    deadline = time.monotonic() + MAX_ORPHAN_SECONDS
    while left := [number for number, session in troubles.sessions() if session == head]:
        if time.monotonic() > deadline:
            return left
        troubles.PAUSE(0.01)
    return []


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--disk", action="store_true", help="mount a small disk, where this user may, and fill it")
    options = parser.parse_args()
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
    shorten_pauses()
    from clip_pipeline_tests.made.preloaded import preload
    from clip_pipeline_tests.made.small_world import small_world

    preload()
    began = time.monotonic()
    with troubles.small_disk(options.folder.absolute() / "disk", options.disk) as own_disk, small_world() as sites:
        no_downloads, no_searches = troubles.is_after("image_text_pairs"), troubles.is_after("photo_catalog")
        photo_host = troubles.lose_site(sites["images"], "image_shards", no_downloads)
        search = troubles.lose_site(sites["api"], "image_links", no_searches)
        kinds = {
            "all processes": Trouble(troubles.kill_all),
            "one worker": Trouble(troubles.kill_worker, no_downloads),
            "photo host": Trouble(photo_host, no_downloads),
            "search": Trouble(search, no_searches),
            "file size": Trouble(troubles.limit_files),
        }
        if own_disk:
            kinds["full disk"] = Trouble(troubles.fill_disk)
        laps = Laps(options.folder.absolute() / "disk", kinds, random.Random(options.seed))
        while laps.hit.total() < options.kills and not laps.wrong:
            laps.lap(options.kills)
            sys.stdout.write(
                f"{laps.laps} laps, {laps.runs} runs, {laps.hit.total()} hit, {time.monotonic() - began:.0f} s\n"
            )
            sys.stdout.flush()
        if laps.wrong:
            shutil.copytree(options.folder / "disk", options.folder / "wrong", symlinks=True)
    counts = ", ".join(f"{name} {count}" for name, count in sorted(laps.hit.items()))
    sys.stdout.write(
        f"{laps.hit.total()} hits in {laps.runs} runs ({counts}), {laps.laps} ended whole, {len(laps.wrong)} wrong\n"
    )
    sys.stdout.write("".join(f"{line}\n" for line in laps.wrong))
    sys.exit(1 if laps.wrong else 0)


if __name__ == "__main__":
    main()
