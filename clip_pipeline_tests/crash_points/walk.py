"""Kills a command before each change that it makes on the disk, runs it again, and compares with a run that was never killed.

    python -m clip_pipeline_tests.crash_points.walk CASE FOLDER [--points N] [--data FOLDER]

Each point: a copy of what was there before, the command killed before that change (with all its processes), the same command once
more, to its end. Then the folder must hold the bytes that a calm run leaves, no file more and none less, and the case's own promises
must hold. --points: so many of them, drawn by chance with the tests' seed; all without. Each command is a fork of this process,
which has all modules loaded already. Exits with 1 and a line for each point that broke a promise.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import random
import shutil
import sys
import tempfile
import time
import traceback
from pathlib import Path

from clip_pipeline_tests.crash_points.case import Case
from clip_pipeline_tests.crash_points.cases import CASES
from clip_pipeline_tests.crash_points.points import kill_before, points_of
from clip_pipeline_tests.made.chance import TEST_SEED


def run_command(case: Case, folder: Path, counter: Path, number: int, said: Path) -> int:
    """The exit status of the command in `folder`, killed before the change of that number: -9 where it came so far."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.setsid()
            with said.open("w") as stream:
                os.dup2(stream.fileno(), 1)
                os.dup2(stream.fileno(), 2)
            scratch = folder / "scratch"
            scratch.mkdir(exist_ok=True)
            os.environ["TMPDIR"] = tempfile.tempdir = str(scratch)
            kill_before(folder, counter, number)
            case.command(folder)
            status = 0
        except BaseException:  # noqa: BLE001 - it is in the file, and the status says that there is something
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def walk(case: Case, place: Path, sample: int | None) -> list[str]:
    """What is wrong, a line a point; empty where all promises hold."""
    before, calm = place / "before", place / "calm"
    before.mkdir(parents=True)
    case.prepare(before)
    shutil.copytree(before, calm, symlinks=True)
    status = run_command(case, calm, place / "calm.points", 0, place / "calm.said")
    if status:
        return [f"the calm run ended with {status}: {(place / 'calm.said').read_text()[-2000:]}"]
    told = points_of(place / "calm.points")
    chosen = list(range(1, len(told) + 1))
    if sample is not None and sample < len(chosen):
        chosen = sorted(random.Random(TEST_SEED).sample(chosen, sample))
    wanted = case.snapshot(calm)
    wrong = [f"calm run: {line}" for line in case.promises(calm)]
    for number in chosen:
        tried = place / f"killed_{number}"
        shutil.copytree(before, tried, symlinks=True)
        problem = _try_point(case, tried, place, number, wanted)
        if problem:
            wrong.append(f"killed before {number} of {len(told)} ({told[number - 1]}): {problem}")
        else:
            shutil.rmtree(tried)
        for rest in place.glob(f"{number}.*"):
            rest.unlink()
    print(f"{case.name}: {len(chosen)} of {len(told)} points, {len(wrong)} wrong")  # noqa: T201
    return wrong


def _try_point(case: Case, tried: Path, place: Path, number: int, wanted: dict[str, str]) -> str:
    status = run_command(case, tried, place / f"{number}.points", number, place / f"{number}.said")
    if status not in (-9, 0):
        return f"ended with {status} before it was killed: {(place / f'{number}.said').read_text()[-1500:]}"
    status = run_command(case, tried, place / f"{number}.points2", 0, place / f"{number}.said")
    if status:
        return f"the same command ended with {status}: {(place / f'{number}.said').read_text()[-1500:]}"
    found = case.snapshot(tried)
    differing = sorted(name for name in found.keys() | wanted.keys() if found.get(name) != wanted.get(name))
    lines = [_difference(name, found, wanted) for name in differing[:5]] + case.promises(tried)
    return "; ".join(lines)


def _difference(name: str, found: dict[str, str], wanted: dict[str, str]) -> str:
    if name not in wanted:
        return f"{name} is left over"
    return f"{name} is lost" if name not in found else f"{name} has other bytes"


PRELOADED = (
    *("pyarrow.parquet", "pyarrow.csv", "pyarrow.compute", "PIL.Image", "numpy", "sqlite3"),
    *("clip_pipeline.api.take_down", "clip_pipeline.images.download.folder_takedown", "clip_pipeline.pipeline.graph"),
    *("clip_pipeline.images.download.into_shards", "clip_pipeline_tests.images.killed_downloads"),
)


def main() -> None:
    for module in PRELOADED:
        importlib.import_module(module)
    parser = argparse.ArgumentParser()
    parser.add_argument("case", choices=[*CASES, "all"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--points", type=int)
    parser.add_argument(
        "--data", type=Path, help="a finished run of the recipe tiny, for the cases that begin with one"
    )
    options = parser.parse_args()
    if options.data:
        os.environ["CLIP_PIPELINE_CRASH_DATA"] = str(options.data.absolute())
    wrong = []
    for name in CASES if options.case == "all" else [options.case]:
        began = time.monotonic()
        with contextlib.ExitStack() as stack:
            case = stack.enter_context(CASES[name]())
            wrong += [f"{name}: {line}" for line in walk(case, options.folder.absolute() / name, options.points)]
        print(f"{name}: {time.monotonic() - began:.0f} s", flush=True)  # noqa: T201
    sys.stdout.write("".join(f"{line}\n" for line in wrong))
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
