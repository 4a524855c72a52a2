"""The mirror client against a real server on loopback, which can break off, spoil and refuse."""

from __future__ import annotations

import hashlib
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from clip_pipeline.errors import DiskError, SettingsError, SourceError, UnavailableError
from clip_pipeline.settings import WikipediaSettings
from clip_pipeline.sources.web import file_download, retries
from clip_pipeline.sources.wikimedia.download import download_dump
from clip_pipeline.sources.wikimedia.mirror import find_remote_dump

CONTENT = bytes(range(256)) * 4000
SHA1 = hashlib.sha1(CONTENT).hexdigest()
SETTINGS = WikipediaSettings(dump="mirror", mirror="http://dumps.sandbox.test", wiki="xwiki")


def name_of(date: str) -> str:
    return f"xwiki-{date}-pages-articles-multistream.xml.bz2"


def status(date: str, state: str = "done", sha1: str = SHA1) -> bytes:
    index = name_of(date).replace(".xml.bz2", "-index.txt.bz2")
    files = {
        index: {"size": 3, "url": f"/xwiki/{date}/{index}", "sha1": "0" * 40},
        name_of(date): {"size": len(CONTENT), "url": f"/xwiki/{date}/{name_of(date)}", "sha1": sha1},
    }
    return json.dumps(
        {"version": "0.8", "jobs": {"articlesmultistreamdump": {"status": state, "files": files}}}
    ).encode()


class Mirror(ThreadingHTTPServer):
    """`files` by path; `cut_after` bytes of the first answers are sent, then the connection breaks; `spoilt` answers are wrong."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.cuts: list[int] = []
        self.statuses: list[int] = []
        self.spoilt = 0
        self.ranges: list[str | None] = []
        self.honours_ranges = True
        self.agents: set[str] = set()

    def handle_error(self, request, client_address):
        if not isinstance(sys.exception(), ConnectionError):  # the client hung up, as it may
            super().handle_error(request, client_address)

    @property
    def hosts(self):
        return {"dumps.sandbox.test": ("127.0.0.1", self.server_address[1])}


class Handler(BaseHTTPRequestHandler):
    server: Mirror

    def do_GET(self):
        server = self.server
        server.agents.add(self.headers["User-Agent"])
        assert self.headers["Host"] == "dumps.sandbox.test"
        content = server.files.get(self.path)
        if content is None:
            return self.answer(404, b"")
        if not self.path.endswith(".bz2"):
            return self.answer(200, content)
        server.ranges.append(self.headers["Range"])
        if server.statuses:
            return self.answer(server.statuses.pop(0), b"busy", {"Retry-After": "0"})
        if server.spoilt:
            server.spoilt -= 1
            content = b"?" * len(content)
        start = 0
        if self.headers["Range"] and server.honours_ranges:
            start = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
            headers = {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"}
            return self.answer(206, content[start:], headers)
        return self.answer(200, content)

    def answer(self, code, content, headers=None):
        self.send_response(code)
        for name, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.path.endswith(".bz2") and code < 300 and self.server.cuts:
            content = content[: self.server.cuts.pop(0)]
            self.close_connection = True
        self.wfile.write(content)

    def log_message(self, *_):
        pass


@pytest.fixture
def mirror(monkeypatch):
    monkeypatch.setattr(retries, "backoff_seconds", lambda attempt, generator: 0.01)
    server = Mirror()
    server.files = {
        "/xwiki/": b'<a href="../">../</a><a href="20250101/">20250101/</a><a href="20250201/">x</a><a href="latest/">latest/</a>',
        "/xwiki/20250101/dumpstatus.json": status("20250101"),
        f"/xwiki/20250101/{name_of('20250101')}": CONTENT,
        "/xwiki/20250201/dumpstatus.json": status("20250201"),
        f"/xwiki/20250201/{name_of('20250201')}": CONTENT,
    }
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def downloaded(settings, folder, hosts) -> bytes:
    (path,) = download_dump(settings, folder, hosts)
    return path.read_bytes()


def test_the_newest_dump_is_downloaded_and_verified(mirror, tmp_path):
    (path,) = download_dump(SETTINGS, tmp_path, mirror.hosts)
    assert path.name == name_of("20250201") and path.read_bytes() == CONTENT
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    assert all(agent.startswith("clip_pipeline/") for agent in mirror.agents)


def test_a_chosen_date_is_downloaded(mirror, tmp_path):
    settings = WikipediaSettings(mirror=SETTINGS.mirror, wiki="xwiki", date="20250101")
    assert [path.name for path in download_dump(settings, tmp_path, mirror.hosts)] == [name_of("20250101")]


def test_a_dump_that_is_still_being_made_is_passed_over(mirror):
    mirror.files["/xwiki/20250201/dumpstatus.json"] = status("20250201", state="in-progress")
    assert find_remote_dump(SETTINGS, mirror.hosts, "").date == "20250101"


def test_the_newest_dump_is_found_with_its_checksum_and_nothing_is_downloaded(mirror):
    remote = find_remote_dump(SETTINGS, mirror.hosts, "")
    assert remote.date == "20250201"
    assert [(file.name, file.kind, file.checksum) for file in remote.files] == [(name_of("20250201"), "sha1", SHA1)]
    assert mirror.ranges == []


def test_a_finished_download_is_not_repeated(mirror, tmp_path):
    download_dump(SETTINGS, tmp_path, mirror.hosts)
    download_dump(SETTINGS, tmp_path, mirror.hosts)
    assert len(mirror.ranges) == 1


def test_a_broken_connection_goes_on_where_it_stopped(mirror, tmp_path):
    mirror.cuts = [300_000, 300_000]
    assert downloaded(SETTINGS, tmp_path, mirror.hosts) == CONTENT
    assert len(mirror.ranges) == 3 and mirror.ranges[0] is None
    assert all(asked.startswith("bytes=") for asked in mirror.ranges[1:])


def test_a_killed_download_goes_on_from_its_part_file(mirror, tmp_path):
    (tmp_path / f"{name_of('20250201')}.part").write_bytes(CONTENT[:1000])
    assert downloaded(SETTINGS, tmp_path, mirror.hosts) == CONTENT
    assert mirror.ranges == ["bytes=1000-"]


def test_a_server_without_ranges_sends_it_all_again(mirror, tmp_path):
    mirror.honours_ranges = False
    (tmp_path / f"{name_of('20250201')}.part").write_bytes(b"old rubbish")
    assert downloaded(SETTINGS, tmp_path, mirror.hosts) == CONTENT


def test_a_busy_server_is_asked_again(mirror, tmp_path):
    mirror.statuses = [503, 429]
    assert downloaded(SETTINGS, tmp_path, mirror.hosts) == CONTENT


def test_a_wrong_checksum_is_mended_once_and_then_told(mirror, tmp_path):
    mirror.spoilt = 1
    assert downloaded(SETTINGS, tmp_path / "a", mirror.hosts) == CONTENT
    mirror.spoilt = 2
    with pytest.raises(SourceError, match="came twice with a wrong sha1"):
        download_dump(SETTINGS, tmp_path / "b", mirror.hosts)
    assert list((tmp_path / "b").iterdir()) == []


def test_a_mirror_without_status_file_is_read_by_its_checksum_list(mirror, tmp_path):
    del mirror.files["/xwiki/20250201/dumpstatus.json"]
    mirror.files["/xwiki/20250201/xwiki-20250201-sha1sums.txt"] = f"{SHA1}  {name_of('20250201')}\n".encode()
    mirror.cuts = [1000]
    assert downloaded(SETTINGS, tmp_path, mirror.hosts) == CONTENT


def test_what_the_mirror_lacks_is_told(mirror, tmp_path):
    with pytest.raises(SourceError, match="has no wiki nowiki"):
        download_dump(WikipediaSettings(mirror=SETTINGS.mirror, wiki="nowiki"), tmp_path, mirror.hosts)
    with pytest.raises(SourceError, match="19990101/ has no finished"):
        download_dump(WikipediaSettings(mirror=SETTINGS.mirror, wiki="xwiki", date="19990101"), tmp_path, mirror.hosts)
    mirror.files["/xwiki/20250201/dumpstatus.json"] = b"<html>"
    with pytest.raises(SourceError, match="not in the form"):
        download_dump(SETTINGS, tmp_path, mirror.hosts)


def test_a_name_with_a_path_in_it_is_never_written(mirror, tmp_path):
    evil = status("20250201").replace(name_of("20250201").encode(), b"../../evil-pages-articles.xml.bz2")
    mirror.files["/xwiki/20250201/dumpstatus.json"] = evil
    assert find_remote_dump(SETTINGS, mirror.hosts, "").date == "20250101"


def test_a_mirror_that_is_not_there_is_told(tmp_path):
    hosts = {"dumps.sandbox.test": ("127.0.0.1", 9)}
    with pytest.MonkeyPatch.context() as patch, pytest.raises(UnavailableError, match="cannot be read"):
        patch.setattr(retries, "backoff_seconds", lambda attempt, generator: 0.01)
        download_dump(SETTINGS, tmp_path, hosts)
    with pytest.raises(SettingsError, match="expected a url"):
        download_dump(WikipediaSettings(mirror=""), tmp_path, {})


def test_a_full_disk_gets_a_sentence(mirror, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(file_download, "_write_response", full)
    with pytest.raises(DiskError, match="cannot be written"):
        download_dump(SETTINGS, tmp_path, mirror.hosts)


NUMBERED = [f"xwiki-20250201-pages-articles-multistream{n}.xml-p{n * 1000 - 999}p{n * 1000}.bz2" for n in (1, 2, 10)]


def sums_of(contents: dict[str, bytes], kind: str) -> bytes:
    return "".join(f"{hashlib.new(kind, body).hexdigest()}  {name}\n" for name, body in contents.items()).encode()


@pytest.mark.parametrize("kind", ["sha1", "md5"])
def test_the_numbered_files_of_a_big_wiki_are_taken_where_no_joined_one_is_there(mirror, tmp_path, kind):
    contents = {name: name.encode() * 1000 for name in reversed(NUMBERED)}
    indexes = {
        name.replace("multistream", "multistream-index").replace(".xml", ".txt"): b"0:1:x" for name in NUMBERED[:2]
    }
    listed = {**contents, **indexes, "xwiki-20250201-pages-articles1.xml-p1p9.bz2": b"plain", "other.txt": b""}
    del mirror.files["/xwiki/20250201/dumpstatus.json"]
    mirror.files[f"/xwiki/20250201/xwiki-20250201-{kind}sums.txt"] = sums_of(listed, kind)
    mirror.files |= {f"/xwiki/20250201/{name}": body for name, body in {**contents, **indexes}.items()}
    mirror.cuts = [2, 2, 4000]
    paths = download_dump(SETTINGS, tmp_path, mirror.hosts)
    assert [path.name for path in paths] == NUMBERED, "in the order of their pages"
    assert all(path.read_bytes() == contents[path.name] for path in paths)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*NUMBERED, *indexes])
    found = find_remote_dump(SETTINGS, mirror.hosts, "").files
    assert [(file.name, file.kind) for file in found] == [(name, kind) for name in NUMBERED]
    asked = len(mirror.ranges)
    download_dump(SETTINGS, tmp_path, mirror.hosts)
    assert len(mirror.ranges) == asked, "what is there is not downloaded again"


def test_a_joined_dump_is_taken_before_its_numbered_files_and_brings_its_index(mirror, tmp_path):
    index = "xwiki-20250201-pages-articles-multistream-index.txt.bz2"
    entries = {
        name: {"size": len(body), "md5": hashlib.md5(body).hexdigest()}
        for name, body in [(name_of("20250201"), CONTENT), (index, b"index"), *((name, b"x") for name in NUMBERED)]
    }
    jobs = {
        "articlesmultistreamdumprecombine": {
            "status": "done",
            "files": {name_of("20250201"): entries[name_of("20250201")]},
        },
        "articlesmultistreamdump": {"status": "done", "files": {name: entries[name] for name in (*NUMBERED, index)}},
    }
    mirror.files["/xwiki/20250201/dumpstatus.json"] = json.dumps({"jobs": jobs}).encode()
    mirror.files[f"/xwiki/20250201/{index}"] = b"index"
    assert downloaded(SETTINGS, tmp_path, mirror.hosts) == CONTENT
    assert (tmp_path / index).read_bytes() == b"index"
