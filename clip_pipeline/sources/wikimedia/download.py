"""The download of a dump from a Wikimedia mirror: it goes on where it broke off, and each file's checksum is verified."""

from __future__ import annotations

import logging
from pathlib import Path

from clip_pipeline.settings import WikipediaSettings
from clip_pipeline.sources.web.api_session import Hosts
from clip_pipeline.sources.web.file_download import download_file
from clip_pipeline.sources.wikimedia.mirror import find_remote_dump

logger = logging.getLogger(__name__)

ADVICE = "Try another mirror (wikipedia.mirror) or another date (wikipedia.date)."


def download_dump(settings: WikipediaSettings, folder: Path, hosts: Hosts, contact: str = "") -> list[Path]:
    """The dump's files in `folder`, downloaded and verified; a file that is there and has the right checksum is kept.

    One file, or the numbered ones of a big wiki in their order; the indexes that the mirror has lie beside them.
    A broken download goes on where it stopped (`NAME.part`). hosts: addresses that stand in for names, `{"dumps.sandbox.test": ("127.0.0.1", 8000)}`.
    Raises SourceError where the mirror has no such wiki, date or file, cannot be reached, or sends a file whose checksum
    differs twice; DiskError where the folder cannot be written.
    """
    remote = find_remote_dump(settings, hosts, contact)
    folder = Path(folder)
    if len(remote.files) > 1:
        logger.info("The dump of %s comes in %d files", remote.date, len(remote.files))
    for index in remote.indexes:
        download_file(index, folder, hosts, contact, optional=True, advice=ADVICE)
    return [path for file in remote.files if (path := download_file(file, folder, hosts, contact, advice=ADVICE))]
