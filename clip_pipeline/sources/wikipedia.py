"""A dump from a Wikimedia mirror: which one is the newest, its download, its checksum.

Layout, as on dumps.wikimedia.org: `<mirror>/<wiki>/` lists dates, `<mirror>/<wiki>/<date>/dumpstatus.json` lists the jobs
with size and sha1 of their files; mirrors without it have `<wiki>-<date>-sha1sums.txt`.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import random
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clip_pipeline.errors import DiskError, SettingsError, SourceError
from clip_pipeline.progress import progress
from clip_pipeline.recipes import WikipediaSettings
from clip_pipeline.sources.http import (
    Hosts,
    backoff_seconds,
    connection_errors,
    http_session,
    may_pass,
    retry_after_seconds,
)

logger = logging.getLogger(__name__)

JOBS = ("articlesmultistreamdumprecombine", "articlesmultistreamdump", "articlesdumprecombine", "articlesdump")
"""In the order of preference: a wiki in several files has a job that joins them."""
DUMP_NAME = re.compile(r"[\w.-]+-pages-articles(?:-multistream)?\.xml\.bz2")
TRIES = 5
LONGEST_WAIT_SECONDS = 300.0
LARGEST_ANSWER_BYTES = 20_000_000
CHUNK_BYTES = 1 << 18


@dataclass(frozen=True)
class RemoteDump:
    """One file on the mirror. `size` is bytes, None where the mirror does not tell."""

    name: str
    date: str
    url: str
    size: int | None
    sha1: str


def dump_identity(settings: WikipediaSettings, hosts: Hosts, contact: str = "") -> str:
    """One line that changes when the mirror's dump does: wiki, date, name, sha1. Costs two or three small requests.

    Raises SourceError as `download_dump`.
    """
    remote = _find_remote_dump(settings, hosts, contact)
    return f"{settings.wiki} {remote.date} {remote.name} sha1:{remote.sha1}"


def download_dump(settings: WikipediaSettings, folder: Path, hosts: Hosts, contact: str = "") -> Path:
    """The dump file in `folder`, downloaded and verified; a file that is there and has the right sha1 is kept.

    A broken download goes on where it stopped (`NAME.part`). hosts: addresses that stand in for names, `{"dumps.sandbox.test": ("127.0.0.1", 8000)}`.
    Raises SourceError where the mirror has no such wiki, date or file, cannot be reached, or sends a file whose sha1
    differs twice; DiskError where the folder cannot be written.
    """
    remote = _find_remote_dump(settings, hosts, contact)
    folder = Path(folder)
    final = folder / remote.name
    if final.is_file() and _sha1_of(final) == remote.sha1:
        logger.info("%s is here already, its sha1 is right", remote.name)
        return final
    partial = folder / f"{remote.name}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for _ in range(2):
            _download_resuming(remote, partial, hosts, contact)
            found = _sha1_of(partial)
            if found == remote.sha1:
                partial.replace(final)
                logger.info("Downloaded %s, %s bytes, sha1 verified", remote.name, f"{final.stat().st_size:,}")
                return final
            logger.warning("%s has sha1 %s, expected %s: starting again", remote.name, found, remote.sha1)
            partial.unlink()
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EDQUOT):
            raise
        raise DiskError(
            f"{folder} cannot be written ({error.strerror}). The dump needs {remote.size or 0:,} bytes there."
        ) from error
    raise SourceError(
        f"{remote.name} came twice with a wrong sha1 ({found}, expected {remote.sha1}). "
        "Try another mirror (wikipedia.mirror) or another date (wikipedia.date)."
    )


def _find_remote_dump(settings: WikipediaSettings, hosts: Hosts, contact: str) -> RemoteDump:
    mirror = settings.mirror.rstrip("/")
    if not re.fullmatch(r"https?://[^/\s]+(/\S*)?", mirror):
        raise SettingsError(
            f'wikipedia.mirror is "{settings.mirror}", expected a url such as https://dumps.wikimedia.org.'
        )
    if not re.fullmatch(r"\w+", settings.wiki):
        raise SettingsError(f'wikipedia.wiki is "{settings.wiki}", expected a database name such as enwiki.')
    with http_session(contact, hosts) as session:
        if settings.date != "latest":
            remote = _read_date(session, mirror, settings.wiki, settings.date)
            if remote is None:
                raise SourceError(
                    f"{mirror}/{settings.wiki}/{settings.date}/ has no finished pages-articles dump. "
                    "Choose another wikipedia.date, or latest."
                )
            return remote
        listing = _get_small(session, f"{mirror}/{settings.wiki}/")
        if listing is None:
            raise SourceError(f"{mirror} has no wiki {settings.wiki} (404). Check wikipedia.wiki and wikipedia.mirror.")
        dates = sorted(
            set(re.findall(r'href="(?:[^"]*/)?(\d{8})/?"', listing.decode("utf-8", "replace"))), reverse=True
        )
        for date in dates:
            # The newest folder is there from the first day of a dump that takes days.
            remote = _read_date(session, mirror, settings.wiki, date)
            if remote is not None:
                return remote
    raise SourceError(
        f"{mirror}/{settings.wiki}/ lists no date with a finished pages-articles dump (dates: {', '.join(dates) or 'none'}). "
        "Set wikipedia.date, or try another mirror."
    )


def _read_date(session: Any, mirror: str, wiki: str, date: str) -> RemoteDump | None:
    folder = f"{mirror}/{wiki}/{date}"
    status = _get_small(session, f"{folder}/dumpstatus.json")
    if status is not None:
        return _from_dump_status(status, folder, date)
    sums = _get_small(session, f"{folder}/{wiki}-{date}-sha1sums.txt")
    if sums is not None:
        return _from_sha1_sums(sums, folder, date)
    return None


def _from_dump_status(status: bytes, folder: str, date: str) -> RemoteDump | None:
    import json

    try:
        jobs = json.loads(status)["jobs"]
        for job in JOBS:
            if jobs.get(job, {}).get("status") != "done":
                continue
            for name, entry in sorted(jobs[job].get("files", {}).items()):
                if DUMP_NAME.fullmatch(name) and "sha1" in entry:
                    size = int(entry["size"]) if "size" in entry else None
                    return RemoteDump(name, date, f"{folder}/{name}", size, str(entry["sha1"]).lower())
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SourceError(
            f"{folder}/dumpstatus.json is not in the form of Wikimedia's ({type(error).__name__}: {error}). Try another mirror."
        ) from error
    return None


def _from_sha1_sums(sums: bytes, folder: str, date: str) -> RemoteDump | None:
    """Lines `sha1  name`; the multistream dump before the plain one."""
    lines = (line.split() for line in sums.decode("utf-8", "replace").splitlines())
    known = {line[1]: line[0].lower() for line in lines if len(line) == 2 and DUMP_NAME.fullmatch(line[1])}
    for name in sorted(known, key=lambda name: ("multistream" not in name, name)):
        return RemoteDump(name, date, f"{folder}/{name}", None, known[name])
    return None


def _get_small(session: Any, url: str) -> bytes | None:
    """The content of a small answer, None for 404. Tries again where that may help."""
    for attempt in range(TRIES):
        wait_seconds = backoff_seconds(attempt, random.Random())
        try:
            with session.get(url, stream=True) as answer:
                if answer.status_code == 404:
                    return None
                if answer.status_code == 200:
                    content = b""
                    for chunk in answer.iter_content(CHUNK_BYTES):
                        content += chunk
                        if len(content) > LARGEST_ANSWER_BYTES:
                            raise SourceError(
                                f"{url} sends more than {LARGEST_ANSWER_BYTES:,} bytes, expected a small list."
                            )
                    return content
                problem = f"status {answer.status_code}"
                if not may_pass(answer.status_code):
                    break
                wait_seconds = retry_after_seconds(answer.headers, time.time()) or wait_seconds
        except connection_errors() as error:
            problem = type(error).__name__
        _sleep_before_retry(url, problem, wait_seconds, attempt)
    raise SourceError(f"{url} cannot be read ({problem}). Check the mirror and the network, then run again.")


def _download_resuming(remote: RemoteDump, partial: Path, hosts: Hosts, contact: str) -> None:
    """Appends to `partial` until the file is whole; each new connection asks for the rest only."""
    problem = ""
    failures = 0
    with (
        http_session(contact, hosts) as session,
        progress(f"Downloading {remote.name}", total=remote.size, unit="byte") as bar,
    ):
        bar.advance(partial.stat().st_size if partial.exists() else 0)
        while failures < TRIES:
            have = partial.stat().st_size if partial.exists() else 0
            if remote.size is not None and have >= remote.size:
                return
            wait_seconds = backoff_seconds(failures, random.Random())
            headers = {"Range": f"bytes={have}-"} if have else {}
            headers["Accept-Encoding"] = "identity"
            try:
                with session.get(remote.url, headers=headers, stream=True) as answer:
                    if answer.status_code == 416:
                        return  # nothing is left; the sha1 tells whether what is here is right
                    if answer.status_code in (200, 206):
                        append = answer.status_code == 206 and answer.headers.get("Content-Range", "").startswith(
                            f"bytes {have}-"
                        )
                        if answer.status_code == 206 and not append:
                            problem = "an answer to another range than was asked"
                        elif _write_answer(answer, partial, append, remote, bar):
                            return
                        else:
                            problem = "the connection ended early"
                    elif may_pass(answer.status_code):
                        problem = f"status {answer.status_code}"
                        wait_seconds = retry_after_seconds(answer.headers, time.time()) or wait_seconds
                    else:
                        raise SourceError(
                            f"{remote.url} answers with status {answer.status_code}. Try another mirror or date."
                        )
            except connection_errors() as error:
                problem = type(error).__name__
            grown = (partial.stat().st_size if partial.exists() else 0) > have
            # Only tries in a row that bring nothing count: a long download may break many times.
            failures = 1 if grown else failures + 1
            _sleep_before_retry(remote.url, problem, wait_seconds, failures - 1)
    raise SourceError(
        f"{remote.url} broke off {TRIES} times without progress ({problem}). What came is kept in {partial.name}; run again to go on."
    )


def _write_answer(answer: Any, partial: Path, append: bool, remote: RemoteDump, bar: Any) -> bool:
    """Whether the file is whole afterwards. Stops at the size that the mirror named."""
    expected = remote.size
    if expected is None and answer.headers.get("Content-Length", "").isdigit():
        expected = int(answer.headers["Content-Length"]) + (partial.stat().st_size if append else 0)
    with partial.open("ab" if append else "wb") as file:
        for chunk in answer.iter_content(CHUNK_BYTES):
            file.write(chunk)
            bar.advance(len(chunk))
            if expected is not None and file.tell() > expected:
                raise SourceError(
                    f"{remote.url} sends more than the {expected:,} bytes it should have. Try another mirror."
                )
        return expected is None or file.tell() == expected


def _sleep_before_retry(url: str, problem: str, seconds: float, attempt: int) -> None:
    if attempt + 1 >= TRIES:
        return
    seconds = min(seconds, LONGEST_WAIT_SECONDS)
    logger.info("%s: %s, trying again in %.1f s", url, problem, seconds)
    time.sleep(seconds)


def _sha1_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha1").hexdigest()
