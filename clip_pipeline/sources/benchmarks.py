"""A labelled dataset in CLIP_benchmark's layout, copied from a site.

classnames.txt, zeroshot_classification_templates.txt, <split>/nshards.txt, <split>/0.tar, <split>/1.tar, ...
"""

from __future__ import annotations

import logging
import re
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from clip_pipeline.errors import SourceError
from clip_pipeline.progress import progress
from clip_pipeline.sources.http import Hosts, http_session
from clip_pipeline.sources.retries import read_answer
from clip_pipeline.sources.tar_index import TAR_ERRORS

if TYPE_CHECKING:
    import requests

logger = logging.getLogger(__name__)

TOP_FILES = ("classnames.txt", "zeroshot_classification_templates.txt")
LISTED_SPLIT = re.compile(r'href="(?:[^"]*/)?([A-Za-z0-9_-]+)/nshards\.txt"')
USUAL_SPLITS = ("train", "validation", "test")
"""Asked for where a site has no listing."""

MOST_TARS = 10_000


def download_benchmark(base_url: str, folder: Path, hosts: Hosts) -> dict[str, int]:
    """Copies the dataset at `base_url` into `folder`, file by file; returns the number of labelled photos by split.

    Every file is checked against the size that the site tells, every tar is read through. Raises SourceError when a file
    is missing, comes incomplete again and again, or is not what its name says.
    """
    base_url, folder = base_url.rstrip("/"), Path(folder)
    with http_session("", hosts) as session:
        for name in TOP_FILES:
            _download(session, base_url, name, folder)
        splits = _listed_splits(session, base_url)
        tars = {split: _number_of_tars(session, base_url, split, folder) for split in splits}
        rows = dict.fromkeys(splits, 0)
        with progress("Downloading the benchmark", total=sum(tars.values()), unit="tar") as bar:
            for split, count in tars.items():
                for number in range(count):
                    path = _download(session, base_url, f"{split}/{number}.tar", folder)
                    rows[split] += _count_labels(path, base_url)
                    bar.advance()
    logger.info("Benchmark from %s: %s", base_url, rows)
    return rows


def _listed_splits(session: requests.Session, base_url: str) -> list[str]:
    listing = read_answer(session, f"{base_url}/")
    if listing is not None:
        found = sorted(set(LISTED_SPLIT.findall(unquote(listing.decode("utf-8", "replace")))))
    else:
        found = [split for split in USUAL_SPLITS if read_answer(session, f"{base_url}/{split}/nshards.txt") is not None]
    if not found:
        raise SourceError(
            f"{base_url} lists no split (<split>/nshards.txt). Check that it is a dataset in CLIP_benchmark's layout."
        )
    return found


def _number_of_tars(session: requests.Session, base_url: str, split: str, folder: Path) -> int:
    text = _download(session, base_url, f"{split}/nshards.txt", folder).read_text("utf-8", "replace").strip()
    if not (text.isascii() and text.isdecimal() and 0 < int(text) <= MOST_TARS):
        raise SourceError(f'{base_url}/{split}/nshards.txt holds "{text[:40]}", expected the number of tars.')
    return int(text)


def _download(session: requests.Session, base_url: str, name: str, folder: Path) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    url = f"{base_url}/{name}"
    content = read_answer(session, url)
    if content is None:
        raise SourceError(
            f"{url} is not there (404), and a dataset in CLIP_benchmark's layout has it. Check the address."
        )
    path.write_bytes(content)
    return path


def _count_labels(path: Path, base_url: str) -> int:
    try:
        with tarfile.open(path, mode="r:") as tar:
            count = sum(member.name.endswith(".cls") for member in tar)
    except TAR_ERRORS as error:
        raise SourceError(
            f"{base_url}/{path.parent.name}/{path.name} is no tar ({error}). Check the address."
        ) from error
    if not count:
        raise SourceError(
            f"{base_url}/{path.parent.name}/{path.name} holds no labels (NAME.cls). Expected a labelled dataset."
        )
    return count
