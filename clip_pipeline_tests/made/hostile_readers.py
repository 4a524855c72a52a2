"""Runs the readers over hostile files, each file in a process of its own that may take 1 GB and 10 s of a processor.

    python -m clip_pipeline_tests.made.hostile_readers FOLDER [MAKER ...]      a JSON line a file and reader

The processes are copies (fork) of this one, which has loaded the libraries and read an honest file of each kind, and starts no
thread. What a reader starts itself counts too.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from clip_pipeline.display.left_out import LeftOut
from clip_pipeline.errors import ClipPipelineError
from clip_pipeline_tests.made.chance import TEST_SEED
from clip_pipeline_tests.made.hostile_files import MAKERS

MAX_BYTES, MAX_SECONDS, MAX_WALL_SECONDS = 1 << 30, 10, 100
LOADED = (
    "numba",
    "pyarrow.parquet",
    "pyarrow.csv",
    "pandas",
    "lxml.etree",
    "bs4",
    "tokenizers",
    "clip_pipeline.words.count",
)


def _all(rows: Any) -> None:
    for _ in rows:
        pass


def _read_list(path: Path) -> None:
    from clip_pipeline.sources.photos.url_list import list_url_photos

    _all(list_url_photos(path, LeftOut()))


def _read_captions(path: Path) -> None:
    from clip_pipeline.sources.photos.caption_files import read_caption_file

    _all(read_caption_file(path))


def _read_photos(path: Path) -> None:
    from clip_pipeline.sources.photos.open import open_photos

    photos = open_photos(path)
    _all(photos.names)
    photos.metadata  # noqa: B018
    for photo in photos:
        photo.read()
    photos.read(0)


def _unpack(path: Path) -> None:
    from clip_pipeline.sources.photos.archives import unpack

    unpack(path, path.with_name("unpacked"))


def _count_dump(path: Path) -> None:
    from clip_pipeline.sources.wikimedia.dump_files import check_dump, describe_dump
    from clip_pipeline.words.count import count_part

    check_dump(path)
    for part in describe_dump(path, 2).parts:
        count_part(path, part, path.with_name("words.parquet"), workers=1)


def _count_html(path: Path) -> None:
    from clip_pipeline.sources.wikimedia.html_dumps import describe_html_dump
    from clip_pipeline.words.html_count import count_html_part

    for part in describe_html_dump(path, 2).parts:
        count_html_part(path, part, path.with_name("words.parquet"), workers=1)


def _read_model(path: Path) -> None:
    from clip_pipeline.models.registry import load_config

    load_config(path)


def _read_tokenizer(path: Path) -> None:
    from clip_pipeline.text.tokenizer import load_tokenizer

    load_tokenizer(path)


def _read_weights(path: Path) -> None:
    from clip_pipeline.models.weights_file import check_weights_file

    check_weights_file(path)


def _read_recipe(path: Path) -> None:
    from clip_pipeline.settings.profiles import read_profile

    read_profile(path)


def _read_plan(path: Path) -> None:
    from clip_pipeline.settings.plans import plan_assignments

    plan_assignments(str(path))


def _read_titles(path: Path) -> None:
    from clip_pipeline.settings import WikipediaSettings
    from clip_pipeline.sources.wikimedia.api_titles import read_titles

    read_titles(WikipediaSettings(titles=str(path)))


def _read_words(path: Path) -> None:
    from clip_pipeline.words.stop_words import choose_stop_words

    choose_stop_words(str(path))


def _read_unsplash(path: Path) -> None:
    from clip_pipeline.sources.unsplash.dataset_keywords import dataset_keywords
    from clip_pipeline.sources.unsplash.dataset_photos import dataset_photos

    problem = None
    for read in (lambda: dataset_photos(path, LeftOut()), lambda: dataset_keywords(path, 10.0, LeftOut())):
        try:
            _all(read())
        except ClipPipelineError as error:
            problem = error
    if problem:
        raise problem


def _read_scores(path: Path) -> None:
    from clip_pipeline.evaluation.scores import read_scores

    read_scores(path)


def _read_texts(path: Path) -> None:
    from clip_pipeline.api.embed import _text_table

    _text_table(path, [])


READ: dict[str, Callable[[Path], None]] = {
    "list": _read_list,
    "captions": _read_captions,
    "photos": _read_photos,
    "archive": _unpack,
    "dump": _count_dump,
    "html": _count_html,
    "model": _read_model,
    "tokenizer": _read_tokenizer,
    "weights": _read_weights,
    "recipe": _read_recipe,
    "plan": _read_plan,
    "titles": _read_titles,
    "words": _read_words,
    "unsplash": _read_unsplash,
    "scores": _read_scores,
    "embed": _read_texts,
}


def _limit_memory() -> None:
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + MAX_BYTES, resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_CPU, (2 * MAX_SECONDS, 2 * MAX_SECONDS))


def _in_copy(read: Callable[[Path], None], path: Path) -> dict[str, Any]:
    """What became of it: `error` (name of a class, "" for none), `ours`, `text`, `seconds` of a processor, `bytes` at most."""
    from_child, to_parent = os.pipe()
    started = time.monotonic()
    process = os.fork()
    if not process:
        os.close(from_child)
        found = {"error": "", "ours": True, "text": ""}
        try:
            _limit_memory()
            read(path)
        except BaseException as error:  # noqa: BLE001  what it is, is the question
            found = {
                "error": type(error).__name__,
                "ours": isinstance(error, ClipPipelineError),
                "text": str(error)[:2000],
            }
        own, started_by_it = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
        found["seconds"] = own.ru_utime + own.ru_stime + started_by_it.ru_utime + started_by_it.ru_stime
        found["bytes"] = 1024 * max(own.ru_maxrss, started_by_it.ru_maxrss)
        os.write(to_parent, json.dumps(found).encode())
        os._exit(0)
    os.close(to_parent)
    with os.fdopen(from_child, "rb") as pipe:
        said = pipe.read()
    _, status = os.waitpid(process, 0)
    if said:
        return json.loads(said)
    seconds = time.monotonic() - started
    return {"error": "killed", "ours": False, "text": f"status {status}", "seconds": seconds, "bytes": 0}


def main(folder: Path, every: int, makers: list[str]) -> None:
    """Makes the files of some makers, reads every so many-th with its reader, and removes them."""
    for module in LOADED:
        importlib.import_module(module)
    import pyarrow as pa

    pa.set_io_thread_count(1)
    if {"dumps", "html"} & set(makers or MAKERS):  # compiled functions are loaded once
        folder.mkdir(parents=True, exist_ok=True)
        warm = folder / "warm.xml"
        warm.write_text(
            "<mediawiki><page><title>A</title><ns>0</ns><revision><text>a word</text></revision></page></mediawiki>"
        )
        _count_dump(warm)
    devices = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devices, 2)  # warnings
    for name in makers or MAKERS:
        place = folder / name
        place.mkdir(parents=True)
        for path, reader in list(MAKERS[name](place))[TEST_SEED % every :: every]:
            found = _in_copy(READ[reader], path)
            sys.stdout.write(json.dumps({"file": f"{name}/{path.name}", "reader": reader, **found}) + "\n")
            sys.stdout.flush()
        shutil.rmtree(place)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
