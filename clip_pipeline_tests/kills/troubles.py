"""What happens to a run: each trouble waits for its moment, does its harm, and undoes what would not stay."""

from __future__ import annotations

import os
import random
import resource
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from clip_pipeline_tests.made.small_world import Site

LOOK_SECONDS = 0.002
DISK_MB = 96
SMALL_FILE_BYTES = 4096


@dataclass(frozen=True)
class Run:
    """A run that goes on. head: its first process, which has a session of its own. data: its data folder. seconds: what a calm one takes."""

    head: int
    data: Path
    seconds: float
    chance: random.Random

    def is_alive(self) -> bool:
        return os.waitid(os.P_PID, self.head, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None

    def wait(self, seconds: float, until: Callable[[], object] = lambda: False) -> bool:
        """Whether it is still alive after that time, or once `until` gives something."""
        deadline = time.monotonic() + seconds
        while self.is_alive():
            if until():
                return True
            if time.monotonic() >= deadline:
                return True
            PAUSE(LOOK_SECONDS)
        return False

    def members(self) -> list[int]:
        """Its processes, the head left out."""
        return [number for number, session in sessions() if session == self.head and number != self.head]

    def is_building(self, asset: str) -> bool:
        """Whether pieces or files of an asset are being written now."""
        return any(
            path.is_file() for place in (".staging", ".work") for path in (self.data / place).glob(f"*/{asset}/**/*")
        )


PAUSE = time.sleep
"""The clock's own, also where the waits of the program are shortened."""


def sessions() -> Iterator[tuple[int, int]]:
    """(process, its session) of all that run; the dead that nobody waited for are left out."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, session, *_ = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if state != "Z":
            yield int(path.parent.name), int(session)


@dataclass(frozen=True)
class Trouble:
    """harm(run): waits for its moment; whether it hit the run while that was alive. is_over(run): whether its moment cannot come any more."""

    harm: Callable[[Run], bool]
    is_over: Callable[[Run], bool] = lambda run: False


def is_after(asset: str) -> Callable[[Run], bool]:
    """Whether an asset is being built, or was, which comes after all that the trouble is about."""

    def is_over(run: Run) -> bool:
        return any(path.is_dir() for place in (".", ".staging") for path in (run.data / place).glob(f"*/{asset}"))

    return is_over


def kill_all(run: Run) -> bool:
    """All processes at once, at any moment. Whether it was still at work, as with the others."""
    alive = run.wait(run.chance.expovariate(8 / run.seconds))
    if alive:
        os.killpg(run.head, signal.SIGKILL)
    return alive


def kill_worker(run: Run) -> bool:
    """One process that the run started, soon after it is there; the run goes on."""
    over = is_after("image_text_pairs")
    if not run.wait(run.seconds * 10, lambda: run.members() or over(run)):
        return False
    run.wait(run.chance.uniform(0, 0.1))
    members = run.members()
    if not members or not run.is_alive():
        return False
    try:
        os.kill(run.chance.choice(members), signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def lose_site(site: Site, asset: str, over: Callable[[Run], bool]) -> Callable[[Run], bool]:
    """A host goes while the asset is built that needs it, and comes back."""

    def trouble(run: Run) -> bool:
        if not run.wait(run.seconds * 10, lambda: run.is_building(asset) or over(run)) or over(run):
            return False
        alive = run.wait(run.chance.uniform(0, 0.15))
        site.kill()
        run.wait(run.chance.uniform(0.05, 3.0))
        site.start()
        return alive

    return trouble


def fill_disk(run: Run) -> bool:
    """No room is left on the disk, at any moment; there is again once the run has ended."""
    if not run.wait(run.chance.expovariate(8 / run.seconds)):
        return False
    filler = run.data.parent / "filler"
    with filler.open("wb", buffering=0) as stream:
        try:
            for block in (1 << 20, 1 << 12, 1):
                while True:
                    try:
                        stream.write(b"\0" * block)
                    except OSError:
                        break
        finally:
            run.wait(run.seconds * 10)
            stream.truncate(0)
    filler.unlink()
    return True


def limit_files(run: Run) -> bool:
    """No file may grow beyond a few kB, at any moment, for the rest of the run: where no small disk can be mounted."""
    if not run.wait(run.chance.expovariate(8 / run.seconds)):
        return False
    _, hard = resource.prlimit(run.head, resource.RLIMIT_FSIZE)
    resource.prlimit(run.head, resource.RLIMIT_FSIZE, (run.chance.randrange(SMALL_FILE_BYTES), hard))
    return True


@contextmanager
def small_disk(folder: Path, wanted: bool) -> Iterator[bool]:
    """A disk of DISK_MB at the folder, where this user may mount one; whether there is one."""
    folder.mkdir(parents=True)
    options = ["-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", str(folder)]
    mounted = wanted and subprocess.run(["mount", *options], capture_output=True).returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", folder], check=True)
