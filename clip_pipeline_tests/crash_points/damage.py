"""Damages what an unfinished build left, and runs the command again: it ends with the bytes of a calm run, or with a sentence.

    python -m clip_pipeline_tests.crash_points.damage CASE... FOLDER

Of the states that a calm run goes through, the one with most files of each kind below `.work` is taken; one file of the kind is damaged
in each of several ways.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from clip_pipeline_tests.crash_points.case import Case
from clip_pipeline_tests.crash_points.cases import CASES
from clip_pipeline_tests.crash_points.states import State
from clip_pipeline_tests.crash_points.walk import differing, go_on, record
from clip_pipeline_tests.made.preloaded import preload

WAYS: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda content: b"",
    "cut": lambda content: content[: len(content) // 2],
    "zeros": lambda content: bytes(len(content)),
    "a changed byte": lambda content: (
        content[: len(content) // 2] + bytes([content[len(content) // 2] ^ 1]) + content[len(content) // 2 + 1 :]
    ),
}


def damaged_runs(case: Case, place: Path) -> tuple[int, list[str]]:
    """(how many were tried, what was wrong)."""
    before = place / "before"
    before.mkdir(parents=True)
    case.prepare(before)
    recorder, calm, failure = record(case, before, place / "calm", lambda number: True)
    if failure:
        return 0, [failure]
    wanted, tried, wrong = case.snapshot(calm), 0, []
    for kind, (state, path) in sorted(_files_by_kind(recorder.states).items()):
        content = path.read_bytes()
        for way, change in WAYS.items():
            if not content:
                continue
            again = place / "again"
            shutil.copytree(state.folder, again, symlinks=True)
            (again / path.relative_to(state.folder)).write_bytes(change(content))
            status, said = go_on(case, again, place / "said")
            lines = differing(case.snapshot(again), wanted) if status == 0 else []
            if "Traceback" in said or lines:
                wrong.append(f"{kind}, {way}: status {status} {lines} {said[-600:]}")
            sys.stdout.write(f"{kind}, {way}: {status}\n")
            tried += 1
            shutil.rmtree(again)
    return tried, wrong


def _files_by_kind(states: list[State]) -> dict[str, tuple[State, Path]]:
    """A file of each kind, in the last state that has most of the kind; numbers and hashes in names do not make kinds."""
    best: dict[str, tuple[int, State, Path]] = {}
    for state in states:
        found: dict[str, list[Path]] = {}
        for path in sorted((state.folder / "data" / ".work").rglob("*")):
            if path.is_file():
                name = path.relative_to(state.folder).as_posix()
                found.setdefault(re.sub(r"[0-9a-f]*\d[0-9a-f]*", "#", name), []).append(path)
        for kind, paths in found.items():
            if kind not in best or len(paths) >= best[kind][0]:
                best[kind] = (len(paths), state, paths[0])
    return {kind: (state, path) for kind, (_, state, path) in best.items()}


def main() -> None:
    *names, folder = sys.argv[1:]
    preload()
    wrong = []
    for name in names:
        with contextlib.ExitStack() as stack:
            case = stack.enter_context(CASES[name]())
            tried, found = damaged_runs(case, Path(folder).absolute() / name)
        sys.stdout.write(f"{name}: {tried} damaged files, {len(found)} wrong\n")
        sys.stdout.flush()
        wrong += found
    sys.stdout.write("".join(f"{line}\n" for line in wrong))
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
