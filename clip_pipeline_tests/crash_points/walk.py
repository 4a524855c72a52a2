"""Stops a command before each change that it makes on the disk, runs it again from there, and compares with a run that was never stopped.

    python -m clip_pipeline_tests.crash_points.walk CASE... FOLDER [--points N] [--data FOLDER]

The command runs once. Before each change all of its processes stand still and what lies on the disk is copied: it is what a kill at
that moment would leave. A state that was there before is not taken again. Then, for each state, the same command, to its end: the
folder must hold the bytes that the undisturbed run left, no file more and none less, and the case's own promises must hold. A kill is
no power loss, so nothing waits for the disk (fsync does nothing). --points: so many of them, drawn by chance with the tests' seed; all
without. Each command is a fork of this process, which has all modules loaded already. Exits with 1 and a line for each point that broke
a promise.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from clip_pipeline_tests.crash_points.case import Case
from clip_pipeline_tests.crash_points.cases import CASES
from clip_pipeline_tests.crash_points.points import stop_before_each
from clip_pipeline_tests.crash_points.states import Recorder, State
from clip_pipeline_tests.made.chance import TEST_SEED
from clip_pipeline_tests.made.preloaded import preload

HERE = "here"
"""The folder, below that of the walk, in which the command runs each time: some results say of which paths they were made."""


@dataclass
class Walked:
    """points: changes that the command makes. tried: different states that were gone on from. wrong: a line for each that broke a promise."""

    points: int = 0
    tried: int = 0
    wrong: list[str] = field(default_factory=list)


def start_command(case: Case, folder: Path, said: Path, watch: Callable[[], None] = lambda: None) -> int:
    """The process of the command in `folder`, head of a group of its own; what it says goes to a file."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        os.setsid()
        with said.open("w") as stream:
            os.dup2(stream.fileno(), 1)
            os.dup2(stream.fileno(), 2)
        scratch = folder / "scratch"
        scratch.mkdir(exist_ok=True)
        os.environ["TMPDIR"] = tempfile.tempdir = str(scratch)
        os.fsync = lambda descriptor: None
        watch()
        case.command(folder)
        status = 0
    except BaseException:  # noqa: BLE001 - it is in the file, and the status says that there is something
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def record(case: Case, before: Path, place: Path, wanted: Callable[[int], bool]) -> tuple[Recorder, Path, str]:
    """The states of a run that nobody disturbs, the folder that it leaves, and why it failed, if it did."""
    place.mkdir()
    here, calm = place.parent / HERE, place / "calm"
    shutil.copytree(before, here, symlinks=True)
    recorder = Recorder(here, place, wanted)

    def watch() -> None:
        stop_before_each(here, recorder.counter, recorder.gate)

    status = recorder.follow(start_command(case, here, place / "said", watch))
    here.rename(calm)
    return recorder, calm, f"ended with {status}: {(place / 'said').read_text()[-2000:]}" if status else ""


def walk(case: Case, place: Path, sample: int | None = None) -> Walked:
    """All promises at all points, or at as many as `sample`."""
    before = place / "before"
    before.mkdir(parents=True)
    case.prepare(before)
    recorder, calm, failure = record(
        case, before, place / "calm", (lambda number: False) if sample else lambda number: True
    )
    if failure:
        return Walked(wrong=[f"the calm run {failure}"])
    wanted, total = case.snapshot(calm), recorder.points
    walked = Walked(total, wrong=[f"calm run: {line}" for line in case.promises(calm)])
    if sample:
        chosen = random.Random(TEST_SEED).sample(range(1, total + 1), min(sample, total))
        recorder, calm, failure = record(case, before, place / "again", chosen.__contains__)
        walked.wrong += [f"the second calm run {failure}"] if failure else differing(case.snapshot(calm), wanted)
    for state in recorder.states:
        problem = _try(case, state, place, wanted)
        if problem:
            walked.wrong.append(f"killed before {state.number} of {total} ({state.change}), {state.folder}: {problem}")
            sys.stdout.write(f"{walked.wrong[-1]}\n")
            sys.stdout.flush()
        else:
            shutil.rmtree(state.folder)
        walked.tried += 1
    return walked


def _try(case: Case, state: State, place: Path, wanted: dict[str, str]) -> str:
    said, look = place / f"{state.number}.said", place / "look"
    shutil.copytree(state.folder, look, symlinks=True)
    broken = case.at_point(look)
    shutil.rmtree(look)
    if broken:
        return "; ".join(broken)
    status, text = go_on(case, state.folder, said)
    if status:
        return f"the same command ended with {status}: {text[-1500:]}"
    problem = "; ".join(differing(case.snapshot(state.folder), wanted) + case.promises(state.folder))
    if not problem:
        said.unlink()
    return problem


def go_on(case: Case, folder: Path, said: Path) -> tuple[int, str]:
    """(exit status, what it said) of the command in a folder, which nobody stops. said: a file in the folder of the whole walk."""
    here = folder.rename(said.parent / HERE)
    status = os.waitstatus_to_exitcode(os.waitpid(start_command(case, here, said), 0)[1])
    here.rename(folder)
    return status, said.read_text(errors="replace")


def differing(found: dict[str, str], wanted: dict[str, str]) -> list[str]:
    """The first few files that are not as they should be, in words."""
    names = sorted(name for name in found.keys() | wanted.keys() if found.get(name) != wanted.get(name))
    return [_difference(name, found, wanted) for name in names[:5]]


def _difference(name: str, found: dict[str, str], wanted: dict[str, str]) -> str:
    if name not in wanted:
        return f"{name} is left over"
    return f"{name} is lost" if name not in found else f"{name} has other bytes"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("cases", nargs="+", choices=[*CASES, "all"], metavar="CASE", help=", ".join([*CASES, "all"]))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--points", type=int)
    parser.add_argument(
        "--data", type=Path, help="a finished run of the recipe tiny, for the cases that begin with one"
    )
    options = parser.parse_args()
    if options.data:
        os.environ["CLIP_PIPELINE_CRASH_DATA"] = str(options.data.absolute())
    preload()
    wrong = []
    for name in CASES if "all" in options.cases else options.cases:
        began = time.monotonic()
        with contextlib.ExitStack() as stack:
            case = stack.enter_context(CASES[name]())
            walked = walk(case, options.folder.absolute() / name, options.points)
        wrong += [f"{name}: {line}" for line in walked.wrong]
        sys.stdout.write(
            f"{name}: {walked.points} points, {walked.tried} different states tried, {len(walked.wrong)} wrong, "
            f"{time.monotonic() - began:.0f} s\n"
        )
        sys.stdout.flush()
    sys.stdout.write("".join(f"{line}\n" for line in wrong))
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
