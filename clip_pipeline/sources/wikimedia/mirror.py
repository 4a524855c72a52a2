"""What a Wikimedia mirror offers: which dump is the newest, its files and their checksums.

Layout, as on dumps.wikimedia.org: `<mirror>/<wiki>/` lists dates, `<mirror>/<wiki>/<date>/dumpstatus.json` lists the jobs
with size, sha1 and md5 of their files; mirrors without it have `<wiki>-<date>-sha1sums.txt` or `-md5sums.txt`.
Big wikis come in numbered files; some mirrors hold those and not the one that joins them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from clip_pipeline.errors import SettingsError, SourceError
from clip_pipeline.machine.bounded import parse_json
from clip_pipeline.settings import WikipediaSettings
from clip_pipeline.sources.web.api_session import Hosts, http_session
from clip_pipeline.sources.web.file_download import RemoteFile
from clip_pipeline.sources.web.small_file import read_small_file

JOBS = ("articlesmultistreamdumprecombine", "articlesmultistreamdump", "articlesdumprecombine", "articlesdump")
"""In the order of preference: a wiki in several files has a job that joins them."""
WHOLE_NAME = re.compile(r"[\w.-]+-pages-articles(-multistream)?\.xml\.bz2")
NUMBERED_NAME = re.compile(r"[\w.-]+-pages-articles(-multistream)?(\d+)\.xml-p(\d+)p(\d+)\.bz2")
CHECKSUMS = ("sha1", "md5")
"""In the order of preference."""
MAX_LIST_BYTES = 20_000_000


@dataclass(frozen=True)
class RemoteDump:
    """A dump of one date: its files in order, and the indexes that the mirror has for them."""

    date: str
    files: tuple[RemoteFile, ...]
    indexes: tuple[RemoteFile, ...]


def find_remote_dump(settings: WikipediaSettings, hosts: Hosts, contact: str) -> RemoteDump:
    """The dump that the settings name: of their date, or the newest finished one.

    Raises SettingsError for a mirror that is no url and a wiki that is no name; SourceError where the mirror has no such
    wiki, date or file, or cannot be read.
    """
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
        listing = read_small_file(session, f"{mirror}/{settings.wiki}/", MAX_LIST_BYTES)
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
    status = read_small_file(session, f"{folder}/dumpstatus.json", MAX_LIST_BYTES)
    if status is not None:
        return _from_dump_status(status, folder, date)
    for kind in CHECKSUMS:
        sums = read_small_file(session, f"{folder}/{wiki}-{date}-{kind}sums.txt", MAX_LIST_BYTES)
        if sums is not None:
            return _from_sums(sums, kind, folder, date)
    return None


def _from_dump_status(status: bytes, folder: str, date: str) -> RemoteDump | None:
    try:
        jobs = parse_json(status)["jobs"]
        for job in JOBS:
            if jobs.get(job, {}).get("status") != "done":
                continue
            listed = {name: _remote_file(name, entry, folder) for name, entry in jobs[job].get("files", {}).items()}
            known = {name: file for name, file in listed.items() if file is not None}
            # The joined dump's job lists no index of its own; it is in the job that it was joined from.
            for other in JOBS:
                for name, entry in jobs.get(other, {}).get("files", {}).items():
                    if "-index" in name and (file := _remote_file(name, entry, folder)):
                        known.setdefault(name, file)
            dump = _choose_files(known, date)
            if dump is not None:
                return dump
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SourceError(
            f"{folder}/dumpstatus.json is not in the form of Wikimedia's ({type(error).__name__}: {error}). Try another mirror."
        ) from error
    return None


def _remote_file(name: str, entry: Mapping[str, Any], folder: str) -> RemoteFile | None:
    for kind in CHECKSUMS:
        if kind in entry:
            size = int(entry["size"]) if "size" in entry else None
            return RemoteFile(name, f"{folder}/{name}", size, kind, str(entry[kind]).lower())
    return None


def _from_sums(sums: bytes, kind: str, folder: str, date: str) -> RemoteDump | None:
    """Lines `checksum  name`."""
    lines = (line.split() for line in sums.decode("utf-8", "replace").split("\n"))
    known = {
        line[1]: RemoteFile(line[1], f"{folder}/{line[1]}", None, kind, line[0].lower())
        for line in lines
        if len(line) == 2
    }
    return _choose_files(known, date)


def _choose_files(known: Mapping[str, RemoteFile], date: str) -> RemoteDump | None:
    """The multistream dump before the plain one, and one file before several. Names with a path in them are no dump's."""
    whole = {match.group(1) or "": name for name in sorted(known) if (match := WHOLE_NAME.fullmatch(name))}
    numbered = {match: name for name in known if (match := NUMBERED_NAME.fullmatch(name))}
    for stream in ("-multistream", ""):
        if stream in whole:
            names = [whole[stream]]
        else:
            parts = [match for match in numbered if (match.group(1) or "") == stream]
            names = [match.string for match in sorted(parts, key=lambda match: int(match.group(3)))]
        if names:
            indexes = [known[index] for name in names if (index := _index_name(name)) in known]
            return RemoteDump(date, tuple(known[name] for name in names), tuple(indexes))
    return None


def _index_name(name: str) -> str:
    """X-multistream1.xml-p1p9.bz2 has the index X-multistream-index1.txt-p1p9.bz2; "" for a dump without one."""
    index, changed = re.subn(r"-multistream(\d*)\.xml", r"-multistream-index\1.txt", name)
    return index if changed else ""
