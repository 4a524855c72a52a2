"""A dataset in CLIP_benchmark's layout, copied from a site.

classnames.txt, zeroshot_classification_templates.txt, <split>/nshards.txt, <split>/0.tar, <split>/1.tar, ...; one with captions has
dataset_type.txt, which says `retrieval`, in place of the first two.
"""

from __future__ import annotations

import contextlib
import logging
import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from clip_pipeline.display.counts import counts_text
from clip_pipeline.errors import PhotosError, SourceError
from clip_pipeline.machine.progress import progress
from clip_pipeline.sources.photos.formats.tar_members import tar_members
from clip_pipeline.sources.web.api_session import Hosts, http_session
from clip_pipeline.sources.web.small_file import copy_file, read_small_file

if TYPE_CHECKING:
    import requests

logger = logging.getLogger(__name__)

TYPE_FILE = "dataset_type.txt"
TOP_FILES = ("classnames.txt", "zeroshot_classification_templates.txt")
LISTED_SPLIT = re.compile(r'href="(?:[^"]*/)?([A-Za-z0-9_-]+)/nshards\.txt"')
USUAL_SPLITS = ("train", "validation", "test")
"""Asked for where a site has no listing."""

MAX_TARS = 10_000
MAX_SHARD_BYTES, SHARD_SECONDS = 1 << 34, 6 * 3600.0
"""Of a tar, which is written as it comes."""


def download_benchmark(base_url: str, folder: Path, hosts: Hosts) -> dict[str, int]:
    """Copies the dataset at `base_url` into `folder`, file by file; returns the number of labelled or captioned photos by split.

    Every file is checked against the size that the site says, every tar is read through. A tar that is there whole is kept,
    so that a copy that broke off goes on. Raises SourceError when a file
    is missing, comes incomplete again and again, or is not what its name says.
    """
    base_url, folder = base_url.rstrip("/"), Path(folder)
    with http_session("", hosts) as session:
        kind = read_small_file(session, f"{base_url}/{TYPE_FILE}") or b""
        retrieval = kind.strip().lower() == b"retrieval"
        for name in () if retrieval else TOP_FILES:
            _download(session, base_url, name, folder)
        ending = "txt" if retrieval else "cls"
        splits = _listed_splits(session, base_url)
        tars = {split: _number_of_tars(session, base_url, split, folder) for split in splits}
        rows = dict.fromkeys(splits, 0)
        with progress("Downloading the benchmark", total=sum(tars.values()), unit="tar") as bar:
            for split, count in tars.items():
                for number in range(count):
                    rows[split] += _copy_tar(session, base_url, f"{split}/{number}.tar", folder, ending)
                    bar.advance()
    logger.info("Benchmark from %s: %s", base_url, counts_text(rows))
    return rows


def _listed_splits(session: requests.Session, base_url: str) -> list[str]:
    listing = read_small_file(session, f"{base_url}/")
    if listing is not None:
        found = sorted(set(LISTED_SPLIT.findall(unquote(listing.decode("utf-8", "replace")))))
    else:
        found = [
            split for split in USUAL_SPLITS if read_small_file(session, f"{base_url}/{split}/nshards.txt") is not None
        ]
    if not found:
        raise SourceError(
            f"{base_url} lists no split (<split>/nshards.txt). Check that it is a dataset in CLIP_benchmark's layout."
        )
    return found


def _number_of_tars(session: requests.Session, base_url: str, split: str, folder: Path) -> int:
    text = _download(session, base_url, f"{split}/nshards.txt", folder).read_text("utf-8", "replace").strip()
    if not (text.isascii() and text.isdecimal() and 0 < int(text) <= MAX_TARS):
        raise SourceError(f'{base_url}/{split}/nshards.txt holds "{text[:40]}", expected the number of tars.')
    return int(text)


def _copy_tar(session: requests.Session, base_url: str, name: str, folder: Path, ending: str) -> int:
    """The number of labels or captions in a tar, which is asked for unless it is there whole."""
    if (folder / name).is_file():
        with contextlib.suppress(PhotosError):
            if count := _count(folder / name, ending):
                return count
    path = _download(session, base_url, name, folder)
    try:
        count = _count(path, ending)
    except PhotosError as error:
        raise SourceError(f"{base_url}/{name} is no tar: {error} Or check the address.") from error
    if not count:
        raise SourceError(
            f"{base_url}/{name} holds no {'labels' if ending == 'cls' else 'captions'} (NAME.{ending}). Expected a dataset in "
            "CLIP_benchmark's layout."
        )
    return count


def _count(tar_path: Path, ending: str) -> int:
    return sum(name.endswith(f".{ending}") for name, _ in tar_members(tar_path))


def _download(session: requests.Session, base_url: str, name: str, folder: Path) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    url = f"{base_url}/{name}"
    part = path.with_name(f"{path.name}.part")
    with part.open("wb") as target:
        found = copy_file(session, url, target, MAX_SHARD_BYTES, SHARD_SECONDS)
    if not found:
        part.unlink()
        raise SourceError(
            f"{url} is not there (404), and a dataset in CLIP_benchmark's layout has it. Check the address."
        )
    part.replace(path)
    return path
