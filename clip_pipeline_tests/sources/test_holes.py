"""The holes that were measured in the downloader people use today: each must stay closed in ours."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import textwrap
import threading
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from clip_pipeline.settings import DownloadSettings
from clip_pipeline.sources.fetch import Fetched, PhotoFetcher
from clip_pipeline_tests.sources.loopback import Answer
from clip_pipeline_tests.sources.wire import wire

SETTINGS = DownloadSettings(deadline=5.0, connections=8)
PHOTO = b"\xff\xd8 the bytes of a photo"


@pytest.fixture
def fetcher(site):
    site.always("/a.jpg", Answer(body=PHOTO))
    with PhotoFetcher(SETTINGS, site.hosts("photos.test")) as open_fetcher:
        yield open_fetcher


# ---- where a url may lead


def test_a_file_of_this_machine_is_not_read_as_an_image(fetcher, tmp_path):
    (tmp_path / "secret.jpg").write_bytes(PHOTO)
    for url in (
        f"file://{tmp_path}/secret.jpg",
        f"file:{tmp_path}/secret.jpg",
        f"FILE://localhost{tmp_path}/secret.jpg",
    ):
        assert fetcher.fetch(url) == Fetched("forbidden_scheme", None, 'the scheme is "file", expected http or https')


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "localhost", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "127.1", "0", "[::1]", "[::]",
        "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "10.0.0.1", "192.168.0.1",
        "169.254.169.254", "[fe80::1]", "[fd00::1]", "[fe80::1%25lo]", "127。0。0。1", "①②⑦.0.0.1", "photos.test@127.0.0.1",
    ],
)  # fmt: skip
def test_loopback_and_private_addresses_are_not_reached_however_they_are_spelled(site, fetcher, address):
    fetched = fetcher.fetch(f"http://{address}:{site.port}/a.jpg")
    assert fetched.status in ("forbidden_address", "connection_error")  # the second where it makes no sense at all
    assert site.requests == []


@pytest.mark.parametrize(
    "target",
    [
        "http://127.0.0.1:{port}/a.jpg", "http://localhost:{port}/a.jpg", "//2130706433:{port}/a.jpg", "http://[::1]:{port}/a.jpg",
        "http://10.0.0.1/a.jpg", "http://169.254.169.254/latest/meta-data/", "file:///etc/passwd", "data:image/png,x",
        "ftp://photos.test/a.jpg", "gopher://127.0.0.1:25/x", "//photos.test:25/a.jpg",
    ],
)  # fmt: skip
def test_a_redirect_to_loopback_a_private_address_or_another_scheme_is_not_followed(site, fetcher, target):
    site.always("/r.jpg", Answer(302, headers={"Location": target.format(port=site.port)}))
    assert fetcher.fetch("http://photos.test/r.jpg").status in (
        "forbidden_address",
        "forbidden_scheme",
        "connection_error",
    )
    assert [path for _, path in site.requests] == ["/robots.txt", "/r.jpg"]


def test_a_name_that_leads_elsewhere_after_it_was_checked_gains_nothing(site, monkeypatch):
    import socket

    answers = ["93.184.215.14", "127.0.0.1"]
    found = lambda *_, **__: [(2, 1, 6, "", (answers.pop(0), 0))]  # noqa: E731
    monkeypatch.setattr(socket, "getaddrinfo", found)
    reached = []
    monkeypatch.setattr(socket.socket, "connect", lambda _, place: reached.append(place) or _refuse())
    with PhotoFetcher(replace(SETTINGS, retries=0), {}) as fetcher:
        for _ in range(3):
            assert fetcher.fetch(f"http://rebinding.test:{site.port}/a.jpg").status == "connection_error"
    assert {address for address, _ in reached} == {"93.184.215.14"}


def _refuse() -> None:
    raise ConnectionRefusedError


def test_redirects_in_a_circle_end_at_once(site, fetcher):
    site.always("/b.jpg", Answer(302, headers={"Location": "/c.jpg"}))
    site.always("/c.jpg", Answer(302, headers={"Location": "/b.jpg"}))
    assert fetcher.fetch("http://photos.test/b.jpg") == Fetched("http_error", None, "the redirects lead in a circle")
    assert (site.count("/b.jpg"), site.count("/c.jpg")) == (1, 1)


def test_name_and_password_in_a_url_are_not_sent(site, fetcher):
    assert fetcher.fetch("http://me:secret@photos.test/a.jpg").content == PHOTO
    assert "Authorization" not in site.headers[-1]
    assert site.requests[-1] == ("photos.test", "/a.jpg")


def test_a_proxy_of_the_environment_is_not_asked(site, monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    site.always("/a.jpg", Answer(body=PHOTO))
    with PhotoFetcher(SETTINGS, site.hosts("photos.test")) as fetcher:
        assert fetcher.fetch("http://photos.test/a.jpg").content == PHOTO


# ---- how long, and how much


def test_one_byte_every_0_8_seconds_meets_the_total_deadline(site):
    site.always("/drip.jpg", Answer(body=b"x" * 60, pause=0.8))
    with PhotoFetcher(replace(SETTINGS, deadline=2.0), site.hosts("photos.test")) as fetcher:
        started = time.monotonic()
        timed_out = Fetched("timeout", None, "no complete answer in time (deadline 2 s)")
        assert fetcher.fetch("http://photos.test/drip.jpg") == timed_out
        assert 1.5 < time.monotonic() - started < 10.0


@pytest.mark.parametrize("pieces", [0, 500], ids=["silent", "dripping"])
def test_a_handshake_without_end_meets_the_deadline(pieces):
    import socket

    listener = socket.create_server(("127.0.0.1", 0))

    def drip() -> None:
        connection, _ = listener.accept()
        with connection, contextlib.suppress(OSError):
            for byte in (b"\x16\x03\x03\x40\x00\x02\x00\x3f\xf0" + bytes(500))[:pieces]:
                connection.sendall(bytes([byte]))
                time.sleep(0.02)
            connection.recv(1)
            time.sleep(2)

    threading.Thread(target=drip, daemon=True).start()
    settings = replace(SETTINGS, deadline=1.0, retries=0, robots_txt=False)
    with PhotoFetcher(settings, {"photos.test": listener.getsockname()}) as fetcher:
        started = time.monotonic()
        timed_out = Fetched("timeout", None, "no complete answer in time (deadline 1 s)")
        assert fetcher.fetch("https://photos.test/a.jpg") == timed_out
        assert time.monotonic() - started < 5
    listener.close()


def peak_megabytes_of(code: str, port: int) -> dict:
    """What a program tells in JSON, run in a process of its own, and how far its memory rose above that before it."""
    program = textwrap.dedent("""
        import json, resource, sys
        from concurrent.futures import ThreadPoolExecutor
        from dataclasses import replace
        import PIL.Image, PIL.PngImagePlugin, PIL.JpegImagePlugin
        from clip_pipeline.images.download.check_photo import check_photo
        from clip_pipeline.settings import DownloadSettings
        from clip_pipeline.sources.fetch import PhotoFetcher
        def peak():
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        hosts = {"photos.test": ("127.0.0.1", int(sys.argv[1]))}
        before = peak()
        """) + textwrap.dedent(code)
    program += "\nprint(json.dumps(told | {'rise': peak() - before}))"
    ran = subprocess.run([sys.executable, "-c", program, str(port)], capture_output=True, text=True, check=True)
    return json.loads(ran.stdout)


@pytest.mark.slow
def test_a_body_without_end_is_not_taken_and_never_held():
    block = b"x" * 1_000_000
    packer = zlib.compressobj(wbits=31)
    bomb = b"".join(packer.compress(bytes(1_000_000)) for _ in range(100)) + packer.flush()
    starts = {
        b"/length": b"Content-Length: 200000000\r\n\r\n",
        b"/chunks": b"Transfer-Encoding: chunked\r\n\r\n",
        b"/close": b"\r\n",
        b"/gzip": b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb) + bomb,
    }

    def answer(request, send):
        path = request.split()[1]
        send(b"HTTP/1.1 200 OK\r\n" + starts[path])
        for _ in range(200 if path != b"/gzip" else 0):
            send(b"%x\r\n%s\r\n" % (len(block), block) if path == b"/chunks" else block)
        return False

    with wire(answer) as server:
        told = peak_megabytes_of(
            """
            settings = DownloadSettings(max_bytes=3_000_000, retries=0, robots_txt=False)
            with PhotoFetcher(settings, hosts) as fetcher:
                paths = ("length", "chunks", "close", "gzip")
                told = {path: fetcher.fetch(f"http://photos.test/{path}").status for path in paths}
            """,
            server.port,
        )
        rise = told.pop("rise")
        assert set(told.values()) == {"too_many_bytes"}
        assert len(told) == 4
        assert rise < 25
        assert server.sent < 40_000_000  # of 600 MB; what lay in the kernel's buffers


def test_a_content_length_that_lies_either_way_is_noticed():
    settings = replace(SETTINGS, retries=0, robots_txt=False)
    too_long = b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n" + PHOTO
    with wire(too_long) as server, PhotoFetcher(settings, server.hosts("photos.test")) as fetcher:
        cut = "the connection ended before all announced bytes came"
        assert fetcher.fetch("http://photos.test/a.jpg") == Fetched("connection_error", None, cut)

    def too_short(request, send):
        send(
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n\xff\xd8 and more HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"
        )
        return True

    with wire(too_short) as server:
        with PhotoFetcher(settings, server.hosts("photos.test")) as fetcher:
            for _ in range(3):
                assert fetcher.fetch("http://photos.test/a.jpg").content == b"\xff\xd8"
        assert server.connections == 3  # what was behind the photo is never taken for the next one


def test_bytes_that_come_between_two_requests_are_not_taken_for_an_answer():
    def answer(request, send):
        send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nphoto")
        threading.Timer(0.05, send, [b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"]).start()
        return True

    with wire(answer) as server:
        with PhotoFetcher(replace(SETTINGS, robots_txt=False), server.hosts("photos.test")) as fetcher:
            for _ in range(2):
                assert fetcher.fetch("http://photos.test/a.jpg").content == b"photo"
                time.sleep(0.1)
        assert server.connections == 2


@pytest.mark.parametrize(
    "answer",
    [
        b"\xff\xd8\xff HTTP/0.9 sends the photo alone", b"HTTP/1.1 200 OK\r\n" + b"X-Header: y\r\n" * 100_000,
        b"HTTP/1.1 302 Found\r\nLocation: /" + b"a" * 1_000_000, b"HTTP/1.1 100 Continue\r\n\r\n" * 1000,
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nphoto!",
    ],
    ids=["HTTP/0.9", "endless headers", "long location", "endless interim answers", "two lengths"],
)  # fmt: skip
def test_an_answer_that_is_none_is_a_connection_error(answer):
    settings = replace(SETTINGS, retries=0, robots_txt=False)
    with wire(answer) as server, PhotoFetcher(settings, server.hosts("photos.test")) as fetcher:
        fetched = fetcher.fetch("http://photos.test/a.jpg")
    assert fetched.status == "connection_error"
    assert fetched.error_message.startswith("no proper answer: ")


@pytest.mark.slow
def test_a_png_of_144_megapixels_does_not_cost_a_gigabyte(tmp_path):
    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    side = 12_000
    packer = zlib.compressobj()
    rows = b"".join(packer.compress(bytes(3 * side + 1)) for _ in range(side)) + packer.flush()
    header = side.to_bytes(4, "big") * 2 + b"\x08\x02\x00\x00\x00"
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    assert len(png) < 500_000
    with wire(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(png) + png) as server:
        told = peak_megabytes_of(
            """
            with PhotoFetcher(DownloadSettings(robots_txt=False), hosts) as fetcher:
                fetched = fetcher.fetch("http://photos.test/bomb.png")
            rejected = check_photo(fetched.content, DownloadSettings())
            told = {"status": rejected.status, "message": rejected.message}
            """,
            server.port,
        )
    assert (told["status"], told["message"]) == ("too_many_pixels", "12000 x 12000 pixels")
    assert told["rise"] < 25


# ---- host_limits


def test_too_many_requests_with_retry_after_is_waited_for_and_succeeds(site):
    site.in_turn("/a.jpg", Answer(429, headers={"Retry-After": "1"}), Answer(body=PHOTO))
    with PhotoFetcher(replace(SETTINGS, deadline=10.0), site.hosts("photos.test")) as fetcher:
        started = time.monotonic()
        assert fetcher.fetch("http://photos.test/a.jpg") == Fetched("success", PHOTO)
        assert 1.0 <= time.monotonic() - started < 5.0


def test_a_host_that_sends_a_crowd_away_gets_a_smaller_one_next_and_no_photo_is_lost(site):
    lock, running = threading.Lock(), 0

    def busy_server(request, count):
        nonlocal running
        with lock:
            running += 1
            answer = Answer(429, headers={"Retry-After": "1"}) if running > 6 else Answer(body=PHOTO)
        time.sleep(0.01)
        with lock:
            running -= 1
        return answer

    site.routes["/a.jpg"] = busy_server
    settings = replace(SETTINGS, connections=16, retries=3)
    with PhotoFetcher(settings, site.hosts("photos.test")) as fetcher, ThreadPoolExecutor(16) as pool:
        assert {fetched.status for fetched in pool.map(fetcher.fetch, ["http://photos.test/a.jpg"] * 40)} == {"success"}


def test_a_host_is_asked_for_no_more_photos_at_a_time_than_the_limit(site):
    def slowly(request, count):
        time.sleep(0.01)
        return Answer(body=PHOTO)

    site.routes["/a.jpg"] = slowly
    settings = replace(SETTINGS, connections=16, connections_per_host=3)
    with PhotoFetcher(settings, site.hosts("photos.test")) as fetcher, ThreadPoolExecutor(16) as pool:
        assert {fetched.status for fetched in pool.map(fetcher.fetch, ["http://photos.test/a.jpg"] * 60)} == {"success"}
    assert site.max_at_a_time == 3


def test_a_host_is_asked_no_more_often_than_the_rate(site):
    site.always("/a.jpg", Answer(body=PHOTO))
    settings = replace(SETTINGS, host_rate=40.0)
    with PhotoFetcher(settings, site.hosts("photos.test")) as fetcher, ThreadPoolExecutor(8) as pool:
        started = time.monotonic()
        assert {fetched.status for fetched in pool.map(fetcher.fetch, ["http://photos.test/a.jpg"] * 20)} == {"success"}
        assert time.monotonic() - started > 20 / 40.0 - 0.03


def test_the_fetcher_says_who_it_is_and_imitates_no_browser(site):
    site.always("/a.jpg", Answer(body=PHOTO))
    with PhotoFetcher(replace(SETTINGS, contact="me@example.org"), site.hosts("photos.test")) as fetcher:
        fetcher.fetch("http://photos.test/a.jpg")
    for headers in site.headers:  # robots.txt and the photo
        assert headers["User-Agent"] == "clip_pipeline/0.2.0 (+me@example.org)"
        assert not {"Referer", "Cookie", "Accept-Language", "Sec-Fetch-Mode"} & set(headers)
    assert len(site.headers) == 2


def test_robots_txt_is_obeyed(site, fetcher):
    site.always("/robots.txt", Answer(body=b"User-agent: *\nDisallow: /*.jpg$\n"))
    assert fetcher.fetch("http://photos.test/a.jpg") == Fetched("robots_txt", None, "robots.txt forbids it")
    assert site.count("/a.jpg") == 0


@pytest.mark.parametrize("directive", ["noai", "noimageai", "noindex", "noimageindex", "none", "clip_pipeline: noai"])
def test_x_robots_tag_is_obeyed(site, fetcher, directive):
    site.always("/a.jpg", Answer(body=PHOTO, headers={"X-Robots-Tag": directive}))
    fetched = fetcher.fetch("http://photos.test/a.jpg")
    assert fetched == Fetched("robots_header", None, f"X-Robots-Tag: {directive.removeprefix('clip_pipeline: ')}")
