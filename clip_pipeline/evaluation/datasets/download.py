"""Downloads a dataset of the registry from its publisher, unpacks it and checks it."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path
from urllib.parse import urlsplit

from clip_pipeline.errors import DatasetError, DiskError, MissingKeyError
from clip_pipeline.evaluation.datasets.dataset import Dataset
from clip_pipeline.evaluation.datasets.entry import Download, Entry
from clip_pipeline.evaluation.datasets.opening import open_entry
from clip_pipeline.sources.photos.archives import is_archive, unpack
from clip_pipeline.sources.web.api_session import Hosts
from clip_pipeline.sources.web.file_download import RemoteFile, download_file
from clip_pipeline.storage.disk import write_synced
from clip_pipeline.storage.disk_faults import disk_errors

logger = logging.getLogger(__name__)

DONE_FILE = ".clip-pipeline-downloads.json"
"""Checksums of the archives that are unpacked, by name."""

UNPACKED_SHARE = 2.2
"""Room that an archive and what is in it take, as a multiple of the archive: photos hardly shrink."""


def download_dataset(
    entry: Entry,
    folder: Path,
    hosts: Hosts | None = None,
    mirror: str = "",
    accept_terms: bool = False,
    keep_archives: bool = False,
) -> Dataset:
    """The dataset, downloaded into `folder`, verified by the publisher's checksums, unpacked, opened and checked.

    A run that was broken off goes on where it was; what is there is not asked for again. hosts: addresses that stand in for names.
    mirror: a site that has the same files under the same names. Raises DatasetError for a dataset that may not be downloaded
    for you (what to do instead), MissingKeyError where its terms were not accepted, SourceError, DiskError.
    """
    if not entry.downloads:
        raise DatasetError(
            f"{entry.title} cannot be downloaded for you ({entry.licence}). {entry.by_hand or entry.expects}"
        )
    if entry.terms and not accept_terms:
        raise MissingKeyError(f"{entry.title}: {entry.terms} If you agree, run again with --accept-terms.")
    folder = Path(folder).expanduser()
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        done = _done(folder)
        missing = [one for one in entry.downloads if done.get(_name(one)) != _checksum(one)[1]]
        _check_room(entry, missing, folder)
        for one in missing:
            _fetch(entry, one, folder, hosts or {}, mirror, keep_archives)
            done[_name(one)] = _checksum(one)[1]
            write_synced(folder / DONE_FILE, json.dumps(done, indent=1) + "\n")
    return open_entry(entry, folder)


def _fetch(entry: Entry, one: Download, folder: Path, hosts: Hosts, mirror: str, keep: bool) -> None:
    url = f"{mirror.rstrip('/')}/{_name(one)}" if mirror else one.url
    kind, checksum = _checksum(one)
    remote = RemoteFile(_name(one), url, None, kind, checksum)
    advice = f"Get it by hand from {entry.home}, or from another site that has it (--mirror)."
    path = download_file(remote, folder, hosts, advice=advice)
    if path is None or not one.unpack:
        return
    for inner in unpack(path, folder, one.unpack):
        if one.inner and is_archive(inner.name):
            unpack(inner, inner.parent, one.inner)
            inner.unlink()
    if not keep:
        path.unlink()


def _name(one: Download) -> str:
    return urlsplit(one.url).path.rpartition("/")[2]


def _checksum(one: Download) -> tuple[str, str]:
    """(kind, checksum), the stronger one."""
    return ("sha256", one.sha256) if one.sha256 else ("md5", one.md5)


def _done(folder: Path) -> dict[str, str]:
    try:
        known = json.loads((folder / DONE_FILE).read_text("utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _check_room(entry: Entry, missing: list[Download], folder: Path) -> None:
    needed = int(sum(one.size * (UNPACKED_SHARE if one.unpack else 1) for one in missing))
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise DiskError(
            f"{entry.title} takes about {needed / 1e9:,.1f} GB while it is unpacked, and {folder} has {free / 1e9:,.1f} GB free. "
            "Choose another folder."
        )
