from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clip_pipeline.records import PHOTO_STATUSES
from clip_pipeline.sources.web.urls import UrlError, WebUrl, follow, location_text, parse_url, with_width

PAGE = WebUrl("https", "photos.test", 443, "/a/b.jpg?x=1")


@pytest.mark.parametrize(
    ("text", "url", "authority"),
    [
        ("http://photos.test", WebUrl("http", "photos.test", 80, "/"), "photos.test"),
        (" HTTPS://Photos.TEST:443/A?b#c ", WebUrl("https", "photos.test", 443, "/A?b"), "photos.test"),
        ("http://photos.test.:8080/?q", WebUrl("http", "photos.test", 8080, "/?q"), "photos.test:8080"),
        ("http://photos.test?q", WebUrl("http", "photos.test", 80, "/?q"), "photos.test"),
        ("http://me:secret@photos.test/a", WebUrl("http", "photos.test", 80, "/a"), "photos.test"),
        ("http://photos.test\\@evil.test/", WebUrl("http", "evil.test", 80, "/"), "evil.test"),
        ("http://[2606:4700::1111]:81/a", WebUrl("http", "2606:4700::1111", 81, "/a"), "[2606:4700::1111]:81"),
        ("http://[2606:4700:0:0::1111]/", WebUrl("http", "2606:4700::1111", 80, "/"), "[2606:4700::1111]"),
        ("http://bücher.test/ü ", WebUrl("http", "xn--bcher-kva.test", 80, "/%C3%BC"), "xn--bcher-kva.test"),
        ("http://127。0。0。1/", WebUrl("http", "127.0.0.1", 80, "/"), "127.0.0.1"),
        ("http://BÜCHER.Test:81/", WebUrl("http", "xn--bcher-kva.test", 81, "/"), "xn--bcher-kva.test:81"),
        (
            "http://ü@bücher.test/bücher.test",
            WebUrl("http", "xn--bcher-kva.test", 80, "/b%C3%BCcher.test"),
            "xn--bcher-kva.test",
        ),
        ("http://M%C3%9CNCHEN.test/", WebUrl("http", "xn--mnchen-3ya.test", 80, "/"), "xn--mnchen-3ya.test"),
        ("http://fa%C3%9F.test/", WebUrl("http", "xn--fa-hia.test", 80, "/"), "xn--fa-hia.test"),
        ("http://%70hotos.test:81/", WebUrl("http", "photos.test", 81, "/"), "photos.test:81"),
        ("\ufeffhttp://photos.test/a\tb\n.jpg\u200b", WebUrl("http", "photos.test", 80, "/ab.jpg"), "photos.test"),
        ("http://faß.test/", WebUrl("http", "xn--fa-hia.test", 80, "/"), "xn--fa-hia.test"),
        ("http://☃.test/", WebUrl("http", "xn--n3h.test", 80, "/"), "xn--n3h.test"),
        ("http://日本語。test/", WebUrl("http", "xn--wgv71a119e.test", 80, "/"), "xn--wgv71a119e.test"),
        ("http://ａｂ\u00adｃ.test/", WebUrl("http", "abc.test", 80, "/"), "abc.test"),
        ("http://مثال.test/", WebUrl("http", "xn--mgbh0fb.test", 80, "/"), "xn--mgbh0fb.test"),
        ("http://photos.test/a b%20c", WebUrl("http", "photos.test", 80, "/a%20b%20c"), "photos.test"),
        ("http://photos.test/\r\nX: y", WebUrl("http", "photos.test", 80, "/X:%20y"), "photos.test"),
    ],
)
def test_urls_are_taken_apart(text, url, authority):
    assert parse_url(text) == url
    assert parse_url(text).authority == authority
    assert parse_url(str(url)) == url


@pytest.mark.parametrize(
    "text", ["", "a.jpg", "//photos.test/a", "file:///etc/passwd", "data:,x", "ftp://x/", "javascript:x"]
)
def test_other_schemes_are_forbidden(text):
    with pytest.raises(UrlError) as raised:
        parse_url(text)
    assert raised.value.status == "forbidden_scheme"


@pytest.mark.parametrize(
    "text",
    [
        "http://", "http:///a.jpg", "http://:80/", "http://photos.test:0/", "http://photos.test:99999/", "http://photos.test:x/",
        "http://photos.test:-1/", "http://[fe80::1%25eth0]/", "http://[2606:4700::1111%25lo]/", "http://[::1", "http://[bad]/",
        "http://photos.test\r\nX-Evil: 1/", "http://pho tos.test/", "http://photos.test%00/", "http://photos%2Fa.test/", "http://M%FCnchen.test/", 
        "http://a:b:c/", "http://-/", "http://" + "a" * 300 + "/", "http://photos.test/" + "a" * 20_000, "http://\u2100.test/",
        "http://" + "ü" * 60 + ".test/", "http://" + "ü" * 9_000 + ".test/", "http://ﷺ.test/", "http://ü\u0000.test/",
    ],
    ids=lambda text: repr(text[:40]),
)  # fmt: skip
def test_urls_that_make_no_sense_are_connection_errors(text):
    with pytest.raises(UrlError) as raised:
        parse_url(text)
    assert raised.value.status == "connection_error"


@pytest.mark.parametrize("port", [22, 25, 110, 6379, 6667, 11211])
def test_ports_of_other_protocols_are_forbidden(port):
    with pytest.raises(UrlError, match=f"port {port} belongs to another protocol") as raised:
        parse_url(f"http://photos.test:{port}/a.jpg")
    assert raised.value.status == "forbidden_address"


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("/c", "https://photos.test/c"), ("c?d#e", "https://photos.test/a/c?d"), ("?y", "https://photos.test/a/b.jpg?y"),
        ("//other.test/c", "https://other.test/c"), ("../../../c", "https://photos.test/c"), ("", "https://photos.test/a/b.jpg?x=1"),
        ("https://other.test:8443/", "https://other.test:8443/"), ("/ü", "https://photos.test/%C3%BC"),
    ],
)  # fmt: skip
def test_where_redirects_lead(location, url):
    assert str(follow(PAGE, location)) == url


@pytest.mark.parametrize(
    "location", ["file:///etc/passwd", "data:image/png;base64,AAAA", "ftp://x/a", "FILE:a", "http://photos.test/"]
)
def test_redirects_to_other_schemes_and_out_of_tls_are_forbidden(location):
    with pytest.raises(UrlError) as raised:
        follow(PAGE, location)
    assert raised.value.status == "forbidden_scheme"


def test_a_redirect_into_tls_is_followed():
    assert follow(PAGE._replace(scheme="http", port=80), "https://photos.test/a") == WebUrl(
        "https", "photos.test", 443, "/a"
    )


def test_a_very_long_location_is_refused():
    with pytest.raises(UrlError, match="longer than"):
        follow(PAGE, "/" + "a" * 60_000)


def test_a_width_is_asked_of_hosts_that_can_resize_only():
    photo = parse_url("https://images.unsplash.com/photo-1?ixid=a&w=9&h=9&fm=png")
    assert with_width(photo, 96).target == "/photo-1?ixid=a&w=96&fit=max&fm=jpg&q=80"
    assert with_width(with_width(photo, 96), 96) == with_width(photo, 96)
    assert with_width(photo, 0) == photo
    assert with_width(PAGE, 96) == PAGE


@given(
    st.one_of(
        st.text(max_size=40),
        st.text(max_size=20).map("http://photos.test".__add__),
        st.text(max_size=20).map("http://".__add__),
    )
)
def test_what_is_asked_for_never_adds_a_line_to_a_request(text):
    try:
        url = parse_url(text)
    except UrlError as error:
        assert error.status in PHOTO_STATUSES
        return
    assert re.fullmatch(r"[!-~]+", url.target)
    assert re.fullmatch(r"[a-z0-9._:\[\]-]+", url.authority)
    assert 0 < url.port < 65_536


def test_a_redirect_in_latin_1_goes_back_as_it_came():
    assert follow(PAGE, location_text(b"/caf\xe8.jpg")).target == "/caf%E8.jpg"
    assert follow(PAGE, location_text("/cafè.jpg".encode())).target == "/caf%C3%A8.jpg"
