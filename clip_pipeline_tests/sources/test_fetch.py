from __future__ import annotations

import os
import shutil
import ssl
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clip_pipeline.images.download.outage import may_pass
from clip_pipeline.records import PHOTO_STATUSES
from clip_pipeline.settings import DownloadSettings
from clip_pipeline.sources.fetch import Fetched, PhotoFetcher
from clip_pipeline_tests.sources.loopback import Answer, loopback, until

SETTINGS = DownloadSettings(deadline=5.0, retries=2, connections=8, max_bytes=100_000, robots_txt=False)
PHOTO = b"\xff\xd8 the bytes of a photo"


@pytest.fixture
def fetcher(site):
    with PhotoFetcher(SETTINGS, site.hosts("photos.test", "images.sandbox.test")) as open_fetcher:
        yield open_fetcher


@pytest.fixture
def hurried_fetcher(site):
    """With a deadline of half a second."""
    with PhotoFetcher(replace(SETTINGS, deadline=0.5), site.hosts("photos.test")) as open_fetcher:
        yield open_fetcher


def test_a_photo_comes_as_it_is(site, fetcher):
    site.always("/a.jpg", Answer(body=PHOTO))
    assert fetcher.fetch("http://photos.test/a.jpg") == Fetched("success", PHOTO, None)
    assert site.headers[0]["Accept-Encoding"] == "identity"


def test_connections_are_kept_alive_between_photos(site, fetcher):
    site.always("/a.jpg", Answer(body=PHOTO))
    for _ in range(20):
        fetcher.fetch("http://photos.test/a.jpg")
    assert site.connections == 1


def test_many_threads_get_what_each_asked_for(site, fetcher):
    urls = [f"http://photos.test/{number}.jpg" for number in range(60)]
    for number in range(60):
        site.always(f"/{number}.jpg", Answer(body=f"photo {number}".encode()))
    with ThreadPoolExecutor(8) as pool:
        contents = [fetched.content for fetched in pool.map(fetcher.fetch, urls)]
    assert contents == [f"photo {number}".encode() for number in range(60)]
    assert site.connections <= 8


# ---- where a url may lead


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "file:a.jpg", "tar:a.tar#0", "ftp://x/a.jpg", "data:,a", "a.jpg", ""]
)
def test_other_schemes_than_http_are_refused(fetcher, url):
    assert fetcher.fetch(url).status == "forbidden_scheme"


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "localhost", "[::1]", "10.0.0.1", "169.254.169.254", "[::ffff:127.0.0.1]", "2130706433"]
)
def test_loopback_and_private_addresses_are_refused(site, fetcher, address):
    site.always("/a.jpg", Answer(body=PHOTO))
    fetched = fetcher.fetch(f"http://{address}:{site.port}/a.jpg")
    assert fetched.status in ("forbidden_address", "connection_error")  # the second where a machine has no IPv6
    assert fetched.content is None
    assert site.requests == []


@pytest.mark.parametrize(
    "target", ["http://127.0.0.1:{port}/secret", "http://localhost:{port}/secret", "//127.0.0.1:{port}/secret"]
)
def test_a_redirect_to_loopback_is_refused(site, fetcher, target):
    site.always("/secret", Answer(body=b"secret"))
    site.always("/a.jpg", Answer(302, headers={"Location": target.format(port=site.port)}))
    assert fetcher.fetch("http://photos.test/a.jpg").status == "forbidden_address"
    assert site.count("/secret") == 0


def test_a_redirect_to_a_file_is_refused(site, fetcher):
    site.always("/a.jpg", Answer(302, headers={"Location": "file:///etc/passwd"}))
    assert fetcher.fetch("http://photos.test/a.jpg").status == "forbidden_scheme"


def test_a_redirect_to_a_file_is_refused_also_where_user_files_are_allowed(site, tmp_path):
    (tmp_path / "a.jpg").write_bytes(PHOTO)
    site.always("/a.jpg", Answer(302, headers={"Location": "file:a.jpg"}))
    with PhotoFetcher(SETTINGS, site.hosts("photos.test"), tmp_path) as fetcher:
        assert fetcher.fetch("http://photos.test/a.jpg").status == "forbidden_scheme"


def test_ten_redirects_are_followed_and_eleven_are_not(site, fetcher):
    for number in range(11):
        site.always(f"/{number}", Answer(301, headers={"Location": f"/{number + 1}"}))
    site.always("/11", Answer(body=PHOTO))
    assert fetcher.fetch("http://photos.test/1").content == PHOTO
    assert fetcher.fetch("http://photos.test/0") == Fetched("http_error", None, "more than 10 redirects")


@pytest.mark.parametrize(
    "target", ["http://[bad", "http://:80/", "http://photos.test:99999/", "https://photos.test:x/"]
)
def test_a_redirect_to_nonsense_is_a_connection_error(site, fetcher, target):
    site.always("/a.jpg", Answer(302, headers={"Location": target}))
    assert fetcher.fetch("http://photos.test/a.jpg").status == "connection_error"


def test_a_redirect_with_letters_beyond_ascii_is_followed(site, fetcher):
    site.always("/a.jpg", Answer(302, headers={"Location": "/caf\u00e9.jpg".encode().decode("latin-1")}))
    site.always("/caf%C3%A9.jpg", Answer(body=PHOTO))
    assert fetcher.fetch("http://photos.test/a.jpg").content == PHOTO


# ---- time and size


def test_a_server_that_drips_its_body_meets_the_deadline(site, hurried_fetcher):
    site.always("/drip.jpg", Answer(body=b"x" * 1000, pause=0.05))
    started = time.monotonic()
    fetched = hurried_fetcher.fetch("http://photos.test/drip.jpg")
    assert fetched.status == "timeout"
    assert time.monotonic() - started < 4.0


def test_a_server_that_drips_without_telling_a_length_meets_the_deadline(site, hurried_fetcher):
    site.always("/drip.jpg", Answer(body=b"x" * 1000, pause=0.05, length=None))
    started = time.monotonic()
    assert hurried_fetcher.fetch("http://photos.test/drip.jpg").status == "timeout"
    assert time.monotonic() - started < 4.0


def test_a_server_that_drips_its_headers_meets_the_deadline(site, hurried_fetcher):
    def drip(request, count):
        for place in range(200):
            request.wfile.write(b"HTTP/1.1 200 OK\r\nX: "[place : place + 1] or b"x")
            request.wfile.flush()
            time.sleep(0.05)
        raise ConnectionError

    site.routes["/drip.jpg"] = drip
    started = time.monotonic()
    assert hurried_fetcher.fetch("http://photos.test/drip.jpg").status == "timeout"
    assert time.monotonic() - started < 4.0


def test_a_server_that_is_silent_meets_the_deadline(site, hurried_fetcher):
    ended = threading.Event()
    site.routes["/silent.jpg"] = lambda request, count: ended.wait(5) and Answer()
    started = time.monotonic()
    assert hurried_fetcher.fetch("http://photos.test/silent.jpg").status == "timeout"
    assert time.monotonic() - started < 4.0
    ended.set()


def test_a_photo_above_the_cap_is_refused_before_its_body(site, fetcher):
    site.always("/big.jpg", Answer(body=b"x" * 100_001))
    fetched = fetcher.fetch("http://photos.test/big.jpg")
    assert fetched == Fetched("too_many_bytes", None, "100,001 bytes, the most taken is 100,000")
    site.always("/fits.jpg", Answer(body=b"x" * 100_000))
    assert len(fetcher.fetch("http://photos.test/fits.jpg").content) == 100_000


def test_a_photo_of_untold_length_is_cut_off_at_the_cap(site, fetcher):
    site.always("/endless.jpg", Answer(body=b"x" * 5_000_000, length=None))
    assert fetcher.fetch("http://photos.test/endless.jpg").status == "too_many_bytes"


def test_a_photo_of_untold_length_below_the_cap_comes(site, fetcher):
    site.always("/a.jpg", Answer(body=PHOTO, length=None))
    assert fetcher.fetch("http://photos.test/a.jpg").content == PHOTO


# ---- further tries


def test_one_server_error_is_mended_by_another_try(site, fetcher):
    site.in_turn("/a.jpg", Answer(500, b"oops"), Answer(body=PHOTO))
    assert fetcher.fetch("http://photos.test/a.jpg").content == PHOTO
    assert site.count("/a.jpg") == 2


def test_a_server_error_that_stays_is_an_http_error_after_the_last_try(site, fetcher):
    site.always("/a.jpg", Answer(503, b"oops"))
    assert fetcher.fetch("http://photos.test/a.jpg") == Fetched("http_error", None, "HTTP 503")
    assert site.count("/a.jpg") == 1 + SETTINGS.retries


def test_too_many_requests_waits_as_long_as_the_server_asks(site):
    site.in_turn("/a.jpg", Answer(429, headers={"Retry-After": "1"}), Answer(body=PHOTO))
    with PhotoFetcher(replace(SETTINGS, deadline=10.0), site.hosts("photos.test")) as fetcher:
        started = time.monotonic()
        assert fetcher.fetch("http://photos.test/a.jpg").content == PHOTO
        assert 1.0 <= time.monotonic() - started < 5.0


def test_while_a_server_asks_for_quiet_other_photos_wait_too(site):
    site.in_turn("/a.jpg", Answer(429, headers={"Retry-After": "1"}), Answer(body=PHOTO))
    site.always("/b.jpg", Answer(body=PHOTO))
    with (
        PhotoFetcher(replace(SETTINGS, deadline=10.0), site.hosts("photos.test")) as fetcher,
        ThreadPoolExecutor(2) as pool,
    ):
        first = pool.submit(fetcher.fetch, "http://photos.test/a.jpg")
        while not site.requests:
            time.sleep(0.01)
        time.sleep(0.1)  # the answer comes
        started = time.monotonic()
        assert fetcher.fetch("http://photos.test/b.jpg").status == "success"
        assert time.monotonic() - started > 0.8
        assert first.result().status == "success"


def test_a_server_that_asks_for_a_long_pause_is_left_alone(site, fetcher):
    site.always("/a.jpg", Answer(429, headers={"Retry-After": "3600"}))
    started = time.monotonic()
    left_alone = Fetched("http_error", None, "the server asks for a longer pause than the deadline of 5 s")
    assert fetcher.fetch("http://photos.test/a.jpg") == left_alone
    assert fetcher.fetch("http://photos.test/b.jpg") == left_alone
    assert time.monotonic() - started < 4.0
    assert len(site.requests) == 1


@pytest.mark.parametrize("status", [404, 410])
def test_a_missing_photo_is_asked_for_once(site, fetcher, status):
    site.always("/gone.jpg", Answer(status, b"gone"))
    assert fetcher.fetch("http://photos.test/gone.jpg") == Fetched("not_found", None, f"HTTP {status}")
    assert site.count("/gone.jpg") == 1


@pytest.mark.parametrize("status", [400, 401, 403, 418, 204, 206, 304])
def test_other_statuses_are_http_errors_at_once(site, fetcher, status):
    site.always("/a.jpg", Answer(status, b"" if status in (204, 304) else b"no"))
    assert fetcher.fetch("http://photos.test/a.jpg") == Fetched("http_error", None, f"HTTP {status}")
    assert site.count("/a.jpg") == 1


def test_a_body_that_is_cut_is_asked_for_again(site, fetcher):
    site.in_turn("/a.jpg", Answer(body=PHOTO[:5], length=len(PHOTO)), Answer(body=PHOTO))
    assert fetcher.fetch("http://photos.test/a.jpg").content == PHOTO


def test_a_body_that_is_always_cut_is_a_connection_error(site, fetcher):
    site.always("/a.jpg", Answer(body=PHOTO[:5], length=len(PHOTO)))
    message = "the answer ended before all announced bytes came"
    assert fetcher.fetch("http://photos.test/a.jpg") == Fetched("connection_error", None, message)
    assert site.count("/a.jpg") == 3
    assert not may_pass("connection_error", message)


@pytest.mark.parametrize("lengths", [(5, 9, 7), (0, 0, 0)])
def test_a_body_that_is_cut_elsewhere_each_time_or_before_its_first_byte_is_a_trouble_of_the_connection_not_of_the_file(
    site, fetcher, lengths
):
    site.in_turn("/a.jpg", *(Answer(body=PHOTO[:count], length=len(PHOTO)) for count in lengths))
    message = "the connection ended before all announced bytes came"
    assert fetcher.fetch("http://photos.test/a.jpg") == Fetched("connection_error", None, message)
    assert may_pass("connection_error", message)


def test_nobody_listening_is_a_connection_error():
    with loopback() as gone:
        hosts = gone.hosts("photos.test")
    with PhotoFetcher(SETTINGS, hosts) as fetcher:
        fetched = fetcher.fetch("http://photos.test/a.jpg")
    assert fetched == Fetched("connection_error", None, "the connection was refused or broke")


def test_an_idle_connection_that_the_server_closed_costs_no_try(site):
    def answer_and_close(request, count):
        request.close_connection = True  # without a word of it in the headers
        request.send_response(200)
        request.send_header("Content-Length", str(len(PHOTO)))
        request.end_headers()
        request.wfile.write(PHOTO)
        raise ConnectionError

    site.routes["/a.jpg"] = answer_and_close
    with PhotoFetcher(replace(SETTINGS, retries=0), site.hosts("photos.test")) as fetcher:
        for _ in range(5):
            assert fetcher.fetch("http://photos.test/a.jpg").content == PHOTO
            time.sleep(0.02)


# ---- urls


def test_the_wanted_width_is_asked_of_a_host_that_can_resize(site):
    site.always("/photo-1", Answer(body=PHOTO))
    with PhotoFetcher(replace(SETTINGS, request_width=96), site.hosts("images.sandbox.test", "photos.test")) as fetcher:
        fetcher.fetch("http://images.sandbox.test/photo-1?ixlib=rb-4&w=1080&h=5&q=85&fm=png")
        fetcher.fetch("http://images.sandbox.test/photo-1")
        fetcher.fetch("http://photos.test/photo-1?images.sandbox.test")
    assert [path for _, path in site.requests] == [
        "/photo-1?ixlib=rb-4&w=96&fit=max&fm=jpg&q=80",
        "/photo-1?w=96&fit=max&fm=jpg&q=80",
        "/photo-1?images.sandbox.test",
    ]


def test_without_a_wanted_width_the_url_stays(site, fetcher):
    fetcher.fetch("http://images.sandbox.test/photo-1?w=1080")
    assert site.requests == [("images.sandbox.test", "/photo-1?w=1080")]


def test_spaces_letters_and_line_ends_in_a_url_are_quoted(site, fetcher):
    fetcher.fetch("http://photos.test/café au lait.jpg?x=%20\r\nHost: evil")
    assert site.requests == [("photos.test", "/caf%C3%A9%20au%20lait.jpg?x=%20Host:%20evil")]


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=30))
def test_no_url_raises(text):
    with PhotoFetcher(replace(SETTINGS, retries=0, deadline=0.1), {}) as fetcher:
        for url in (text, f"file:{text}", f"http://127.0.0.1:1/{text}", f"http://[{text}", f"http://127.0.0.1:{text}/"):
            fetched = fetcher.fetch(url)
            assert fetched.status in PHOTO_STATUSES
            assert fetched.content is None
            assert fetched.error_message


# ---- the user's own files


@pytest.fixture
def own(tmp_path):
    root = tmp_path / "photos"
    (root / "deep").mkdir(parents=True)
    (root / "deep" / "a b#1.jpg").write_bytes(PHOTO)
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    with PhotoFetcher(SETTINGS, {}, root) as fetcher:
        yield fetcher, root


def test_a_file_below_the_root_is_read(own):
    fetcher, _ = own
    assert fetcher.fetch("file:deep/a b#1.jpg") == Fetched("success", PHOTO, None)


@pytest.mark.parametrize(
    "name",
    ["../secret.jpg", "deep/../../secret.jpg", "/etc/passwd", "//etc/passwd", "///etc/passwd", "", ".", "..", "\0"],
)
def test_nothing_outside_the_root_is_read(own, name):
    fetcher, root = own
    for url in (f"file:{name}", f"file:{root.parent}/secret.jpg", f"tar:{name}#0"):
        fetched = fetcher.fetch(url)
        assert (fetched.status, fetched.content) == ("missing_file", None)
        assert fetched.error_message


def test_a_link_that_leads_outside_is_not_followed(own):
    fetcher, root = own
    (root / "link.jpg").symlink_to(root.parent / "secret.jpg")
    (root / "folder").symlink_to(root.parent)
    (root / "inside.jpg").symlink_to(root / "deep" / "a b#1.jpg")
    assert "lies outside" in fetcher.fetch("file:link.jpg").error_message
    assert fetcher.fetch("file:folder/secret.jpg").status == "missing_file"
    assert fetcher.fetch("file:inside.jpg").content == PHOTO


def test_what_is_no_regular_file_is_missing(own):
    fetcher, root = own
    os.mkfifo(root / "pipe.jpg")
    for name in ("pipe.jpg", "deep", "absent.jpg", "x" * 300):
        assert fetcher.fetch(f"file:{name}").status == "missing_file"


def test_the_byte_cap_holds_for_files_too(own):
    fetcher, root = own
    (root / "big.jpg").write_bytes(b"x" * 100_001)
    assert fetcher.fetch("file:big.jpg").status == "too_many_bytes"


def test_a_member_of_a_tar_is_read_by_its_key(own):
    import io
    import tarfile

    fetcher, root = own
    with tarfile.open(root / "s.tar", "w") as tar:
        for name, content in (
            ("0001.txt", b"words"),
            ("0001.jpg", PHOTO),
            ("x/0002.seg.png", b"seg"),
            ("x/0002.PNG", b"png"),
        ):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    assert fetcher.fetch("tar:s.tar#0001").content == PHOTO
    assert fetcher.fetch("tar:s.tar#x/0002").content == b"png"
    assert fetcher.fetch("tar:s.tar#0003") == Fetched("missing_file", None, "s.tar has no photo with the key 0003")
    with PhotoFetcher(SETTINGS, {}, root / "s.tar") as single:
        assert single.fetch("tar:s.tar#0001").content == PHOTO
        assert single.fetch("file:deep/a b#1.jpg").status == "missing_file"


def test_a_tar_that_is_none_is_a_missing_file(own):
    fetcher, root = own
    (root / "s.tar").write_bytes(b"no tar at all")
    assert fetcher.fetch("tar:s.tar#0001").status == "missing_file"


# ---- TLS, and the end


def test_a_mapped_name_keeps_its_tls_name_and_a_strange_certificate_is_refused(tmp_path, monkeypatch):
    if shutil.which("openssl") is None:
        pytest.skip("openssl, which makes the certificate, is not installed")
    names = ["-subj", "/CN=secure.test", "-addext", "subjectAltName=DNS:secure.test"]
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
    ]
    subprocess.run(
        [*command, *names, "-keyout", "key.pem", "-out", "cert.pem"], cwd=tmp_path, check=True, capture_output=True
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
    with loopback(context) as site:
        site.always("/a.jpg", Answer(body=PHOTO))
        with PhotoFetcher(SETTINGS, site.hosts("secure.test", "other.test")) as fetcher:
            assert fetcher.fetch("https://secure.test/a.jpg").content == PHOTO
            assert fetcher.fetch("https://other.test/a.jpg").status == "connection_error"
        assert [host for host, _ in site.requests] == ["secure.test"]


def test_closing_leaves_no_thread_and_no_idle_connection(site):
    site.always("/a.jpg", Answer(body=PHOTO))
    before = threading.active_count()
    with PhotoFetcher(SETTINGS, site.hosts("photos.test")) as fetcher:
        fetcher.fetch("http://photos.test/a.jpg")
        assert site.open_connections == 1
    until(lambda: site.open_connections == 0)
    until(lambda: threading.active_count() <= before)


def test_idle_connections_to_many_sites_are_bounded(site):
    names = [f"site{number}.test" for number in range(30)]
    with PhotoFetcher(replace(SETTINGS, connections=4), site.hosts(*names)) as fetcher:
        site.always("/a.jpg", Answer(body=PHOTO))
        for name in names:
            assert fetcher.fetch(f"http://{name}/a.jpg").status == "success"
        until(lambda: site.open_connections == 4)
