"""Cases on a data folder: runs of the recipe tiny, and take-downs."""

from __future__ import annotations

import atexit
import functools
import hashlib
import json
import os
import re
import shutil
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clip_pipeline.pipeline.stages import STAGES, find_asset
from clip_pipeline_tests.crash_points.case import Case, bytes_of, scratch_left
from clip_pipeline_tests.made.small_world import SETTINGS, run_small, small_world

PASSING = ("data/.locks/", "data/.staging", "data/.checks/", "data/.work", "data/.ledger/", "data/.cache/")
TIMED = ("report.html", "report.md")
"""Say how many seconds something took."""


def artifacts_of(folder: Path) -> dict[str, str]:
    """`bytes_of`, without what says when something was made, by whom and for how long."""
    found = {name: value for name, value in bytes_of(folder).items() if not name.startswith(PASSING)}
    for path in folder.rglob("manifest.json"):
        name = path.relative_to(folder).as_posix()
        if name not in found or not path.stat().st_size:
            continue
        manifest = json.loads(path.read_text())
        for file, about in manifest["files"].items():
            if about.get("sidecar"):
                found.pop(f"{path.parent.relative_to(folder).as_posix()}/{file}", None)
        timed = [path.with_name(file) for file in TIMED if path.with_name(file).exists()]
        for file in timed:
            text = re.sub(r"\d[\d,.]* s\b", "so many s", file.read_text())
            found[file.relative_to(folder).as_posix()] = hashlib.sha256(text.encode()).hexdigest()
        content = None if timed else manifest["content"]
        found[name] = json.dumps([manifest["fingerprint"], content, manifest["rows"]], sort_keys=True)
    return found


def unfinished_in(folder: Path) -> list[str]:
    """What killed builds left in the data folder."""
    data = folder / "data"
    left = [path for place in (".staging", ".work", ".removed") for path in (data / place).rglob("*") if path.is_file()]
    left += data.rglob(".*.previous")
    left += [path for path in data.glob(".*") if path.is_file()]
    return [f"{path.relative_to(folder)} is left" for path in left] + scratch_left(folder)


@functools.cache
def finished_run() -> Path:
    """A data folder with everything in it: of a small run, made once, or the finished run of the recipe tiny that was given."""
    given = os.environ.get("CLIP_PIPELINE_CRASH_DATA")
    if given:
        return Path(given)
    folder = Path(tempfile.mkdtemp(prefix="clip-pipeline-finished-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    run_in_fork(folder / "data")
    return folder / "data"


def finished_without(folder: Path, *left_out: str) -> None:
    """A copy of a finished run, without those stages or assets."""
    shutil.copytree(finished_run(), folder / "data", symlinks=True)
    for name in left_out:
        stage = name if name in STAGES else find_asset(name).stage
        asset = "" if name in STAGES else name
        for place in (folder / "data", *(folder / "data").glob(".*/")):
            shutil.rmtree(place / stage / asset, ignore_errors=True)


def run_in_fork(data: Path) -> None:
    """A small run, in a process that ends."""
    child = os.fork()
    if child == 0:
        try:
            run_small(data)
        except BaseException:  # noqa: BLE001 - the parent says that it failed
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        raise RuntimeError("the run that comes before failed")


def a_photo_of(folder: Path) -> dict:
    """One that is there in every stage: of the smaller shard, so that it is quick, and the same before and after."""
    import pyarrow.parquet as pq

    pairs = pq.read_table(folder / "data/images/image_text_pairs/pairs.parquet").to_pylist()
    return next(row for row in pairs if row["split"] == "test")


@contextmanager
def takedown_of_data(name: str, *left_out: str) -> Iterator[Case]:
    """left_out: the stages that the folder does not have."""

    def prepare(folder: Path) -> None:
        finished_without(folder, *left_out)
        (folder / "photo").write_text(a_photo_of(folder)["photo_id"])

    def command(folder: Path) -> None:
        from clip_pipeline.api.take_down import take_down

        take_down(
            [(folder / "photo").read_text()],
            folder / "data",
            recipe="tiny",
            settings=() if "CLIP_PIPELINE_CRASH_DATA" in os.environ else SETTINGS,
        )

    def promises(folder: Path) -> list[str]:
        import pyarrow.parquet as pq

        photo, found = (folder / "photo").read_text(), []
        for path in (folder / "data").rglob("*.parquet"):
            table = pq.read_table(path)
            held = {
                value
                for column in ("id", "photo_id")
                if column in table.column_names
                for value in table[column].to_pylist()
            }
            if photo in held and "image_links" not in path.parts:
                found.append(f"{path.relative_to(folder)} still lists the photo")
        for path in (folder / "data").rglob("*.tar"):
            if f'"{photo}"'.encode() in path.read_bytes():
                found.append(f"{path.relative_to(folder)} still holds the photo")
        return found + unfinished_in(folder)

    with small_world():
        yield Case(name, prepare, command, artifacts_of, promises)


@contextmanager
def run_of(name: str, selected: str, *left_out: str) -> Iterator[Case]:
    """selected: the assets that are made; all others lie there, but for left_out, stages or assets that come later, and nothing lies there
    where left_out is empty."""

    def prepare(folder: Path) -> None:
        if left_out:
            finished_without(folder, *left_out)

    with small_world():
        yield Case(name, prepare, lambda folder: run_small(folder / "data", selected), artifacts_of, unfinished_in)
