from __future__ import annotations

import gzip
import http.client
import io
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clip_pipeline.sources.web.http_headers import UNTIL_CLOSE, HttpHeaders, ResponseError, parse_headers
from clip_pipeline.sources.web.http_response import BodyTooLong, NoResponse, ResponseReader, TruncatedResponse, unpacked

MOST = 1000
OK = b"HTTP/1.1 200 OK\r\n"


def reader_of(data: bytes, cuts: tuple[int, ...] = ()) -> ResponseReader:
    """A reader whose connection gives `data` in pieces that end at `cuts`."""
    pieces = [data[a:b] for a, b in zip((0, *cuts), (*cuts, len(data)), strict=True) if a < b]

    def receive(most: int) -> bytes:
        if not pieces:
            return b""
        piece, pieces[0] = pieces[0][:most], pieces[0][most:]
        if not pieces[0]:
            del pieces[0]
        return piece

    return ResponseReader(receive)


def read(data: bytes, cuts: tuple[int, ...] = ()) -> tuple[HttpHeaders, bytes]:
    reader = reader_of(data, cuts)
    head = reader.read_head()
    return head, reader.read_body(head, MOST)


def chunked(*pieces: bytes) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


@pytest.mark.parametrize(
    "data",
    [
        OK + b"Content-Length: 5\r\n\r\nphoto",
        OK + b"content-length:5\r\nContent-Length:  5 \r\n\r\nphoto and more",
        OK + b"Content-Length: 5, 5\r\n\r\nphoto",
        OK + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(b"ph", b"oto"),
        OK + b"Transfer-Encoding: Chunked\r\n\r\n2;name=\"x\"\r\nph\r\n003\r\noto\r\n0\r\nTrailer: x\r\n\r\n",
        OK + b"\r\nphoto",
        b"HTTP/1.0 200\r\nServer: x\r\n\r\nphoto",
        b"HTTP/1.1 200 OK\nContent-Length: 5\n\nphoto",
        b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n" + OK + b"Content-Length: 5\r\n\r\nphoto",
        OK + b"X-Long: a\r\n  b\r\nContent-Length: 5\r\n\r\nphoto",
    ],
)  # fmt: skip
def test_bodies_of_all_kinds_come_whole_however_they_are_cut(data):
    for cut in range(len(data)):
        head, body = read(data, (cut,))
        assert (head.status, body) == (200, b"photo")
    assert read(data, tuple(range(1, len(data))))[1] == b"photo"


@pytest.mark.parametrize(
    ("head", "stays_open"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: Keep-Alive, Close\r\n", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\nConnection: keep-alive\r\n", True),
        (b"HTTP/1.1 200 OK\r\n", False),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n", True),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n", False),
        (b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n", False),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 500\r\n", True),
        (b"HTTP/1.1 999 Request denied\r\nContent-Length: 0\r\n", True),
    ],
)
def test_which_connections_stay_open(head, stays_open):
    assert parse_headers(head).stays_open is stays_open


@pytest.mark.parametrize("status", [204, 304])
def test_answers_without_a_body_have_none_whatever_their_length_says(status):
    assert read(b"HTTP/1.1 %d x\r\nContent-Length: 500\r\n\r\n" % status)[1] == b""


@pytest.mark.parametrize(
    "data",
    [
        b"<html>HTTP/0.9 sends the body alone", b"\x16\x03\x01\x02\x00TLS", b"SSH-2.0-OpenSSH\r\n", b"\r\n" + OK + b"\r\n",
        b"HTTP/2 200\r\n\r\n", b"HTTP/1.1 20 OK\r\n\r\n", b"HTTP/1.1 2000 OK\r\n\r\n", b"HTTP/1.1  200 OK\r\n\r\n",
        b"HTTP/1.1 200OK\r\n\r\n", b"HTTP/1.1 101 Switching Protocols\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n" * 20,
        OK + b"Content-Length : 5\r\n\r\nphoto", OK + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", OK + b" Content-Length: 5\r\n\r\nphoto",
        OK + b"content-length 5\r\n\r\nphoto", OK + b"X (Content-Length): 5\r\n\r\nphoto", OK + b"A: nul\0\r\n\r\n", OK + b"A: carriage\rreturn\r\n\r\n",
        OK + b"Content-Length: -1\r\n\r\n", OK + b"Content-Length: +5\r\n\r\nphoto", OK + b"Content-Length: 0x5\r\n\r\nphoto",
        OK + b"Content-Length: 1_0\r\n\r\nphotophoto", OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nphoto!",
        OK + b"Content-Length: \xb2\r\n\r\nph", OK + b"Content-Length:\r\n\r\n", OK + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n",
        OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n", OK + b"Transfer-Encoding: identity\r\n\r\nphoto",
        OK + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n-5\r\nphoto\r\n0\r\n\r\n", OK + b"Transfer-Encoding: chunked\r\n\r\n+5\r\nphoto",
        OK + b"Transfer-Encoding: chunked\r\n\r\n0x5\r\nphoto\r\n0\r\n\r\n", OK + b"Transfer-Encoding: chunked\r\n\r\n\r\nphoto",
        OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nphotograph\r\n0\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n5;" + b"x" * 5000, OK + b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 400 + b"\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n" + b"Trailer: without end\r\n" * 2000,
        OK + b"X: y\r\n" * 50_000, OK + b"X: " + b"y" * 100_000,
    ],
    ids=lambda data: repr(data[:60]),
)  # fmt: skip
def test_what_is_no_plain_answer_is_refused(data):
    with pytest.raises(ResponseError, match="^no proper answer: "):
        read(data)


@pytest.mark.parametrize(
    "line", [b"no colon", b"Bad Name: x", b"Cache-Control : no-cache", b": x", b" folded: first", b"X (note): 1"]
)
def test_a_line_that_is_no_field_is_passed_over_and_nothing_is_sent_behind_such_an_answer(line):
    head, body = read(OK + line + b"\r\nContent-Length: 5\r\n\r\nphoto")
    assert body == b"photo" and not head.stays_open


@pytest.mark.parametrize(
    ("status", "fields", "whole"),
    [
        (200, b"", True),
        (203, b"", True),
        (201, b"", False),
        (206, b"", False),
        (206, b"Content-Range: bytes 0-4/5\r\n", True),
        (206, b"Content-Range: bytes 0-4/9\r\n", False),
        (206, b"Content-Range: bytes 1-5/5\r\n", False),
        (206, b"Content-Range: bytes 0-4/*\r\n", False),
    ],
)
def test_a_body_is_whole_also_in_a_range_that_is_no_part(status, fields, whole):
    assert read(b"HTTP/1.1 %d x\r\n%sContent-Length: 5\r\n\r\nphoto" % (status, fields))[0].is_whole is whole


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1", OK + b"Content-Le", OK + b"Content-Length: 5\r\n\r\nphot", OK + b"Transfer-Encoding: chunked\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nph", OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nphoto\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nphoto\r\n0\r\n",
    ],
)  # fmt: skip
def test_an_answer_that_ends_early_is_cut(data):
    with pytest.raises(TruncatedResponse):
        read(data)


def test_a_connection_that_ends_before_any_byte_is_no_answer():
    with pytest.raises(NoResponse):
        read(b"")


@pytest.mark.parametrize(
    "data",
    [
        OK + b"Content-Length: 1001\r\n\r\n",
        OK + b"\r\n" + b"x" * 1001,
        OK + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(b"x" * 600, b"x" * 401),
        OK + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffff\r\n" + b"x" * 5000,
    ],
)
def test_a_body_above_the_cap_is_not_taken_and_its_beginning_can_be(data):
    with pytest.raises(BodyTooLong):
        read(data)
    if len(data) > 1000:
        reader = reader_of(data)
        head = reader.read_head()
        assert reader.read_beginning(head, MOST) == b"x" * 1000
        assert not head.stays_open


def test_the_beginning_of_a_short_body_is_all_of_it():
    for data in (OK + b"Content-Length: 5\r\n\r\nphoto", OK + b"\r\nphoto", OK + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(b"photo")):  # fmt: skip
        reader = reader_of(data)
        assert reader.read_beginning(reader.read_head(), MOST) == b"photo"


def test_one_answer_follows_another_and_a_third_that_nobody_asked_for_is_noticed():
    one = OK + b"Content-Length: 5\r\n\r\nphoto"
    reader = reader_of(one + OK + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(b"second") + b"X")
    assert reader.read_body(reader.read_head(), MOST) == b"photo"
    assert reader.read_body(reader.read_head(), MOST) == b"second"
    assert reader.has_more


@given(
    st.binary(max_size=200),
    st.sampled_from([b"", OK, OK + b"Transfer-Encoding: chunked\r\n\r\n", OK + b"Content-Length:"]),
)
def test_no_bytes_raise_anything_else(data, beginning):
    try:
        head, body = read(beginning + data)
    except (ResponseError, BodyTooLong):
        return
    assert len(body) <= MOST
    assert 200 <= head.status <= 999


NAMES = st.sampled_from(["Content-Type", "X-A", "ETag", "Location", "Connection", "X-Robots-Tag"])
VALUES = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=12)


@pytest.mark.slow
@settings(max_examples=150)
@given(
    st.lists(st.tuples(NAMES, VALUES), max_size=5),
    st.binary(max_size=60),
    st.sampled_from(["length", "chunks", "close"]),
    st.data(),
)
def test_the_standard_librarys_reader_agrees_on_proper_answers(fields, body, framing, data):
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields).encode()
    if framing == "length":
        raw = OK + lines + b"Content-Length: %d\r\n\r\n" % len(body) + body
    elif framing == "chunks":
        cut = data.draw(st.integers(0, len(body)))
        raw = OK + lines + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(*filter(None, (body[:cut], body[cut:])))
    else:
        raw = OK + lines + b"\r\n" + body

    class Socket:
        def makefile(self, *_: object) -> io.BytesIO:
            return io.BytesIO(raw)

    reference = http.client.HTTPResponse(Socket())  # type: ignore[arg-type]
    reference.begin()
    head, found = read(raw, tuple(sorted(data.draw(st.sets(st.integers(1, len(raw)), max_size=4)))))
    assert found == reference.read() == body
    for name in ("Location", "X-Robots-Tag"):
        assert head.fields.get(name.lower()) == reference.headers.get_all(name)
    if head.length == UNTIL_CLOSE:
        assert reference.will_close


# ---- a gzip that nobody asked for


def packed(coding: str, body: bytes, most: int = MOST) -> bytes:
    return unpacked(HttpHeaders(200, {"content-encoding": [coding]}), body, most)


def test_a_gzip_that_nobody_asked_for_is_unpacked():
    assert packed("gzip", gzip.compress(b"photo")) == b"photo"
    assert packed("X-GZip", gzip.compress(b"photo")) == b"photo"


@pytest.mark.parametrize("coding", ["", "identity", "UTF-8", "br", "gzip"])
def test_bytes_that_are_no_gzip_stay_whatever_the_coding_says(coding):
    assert packed(coding, b"\xff\xd8photo") == b"\xff\xd8photo"


def test_a_gzip_bomb_is_not_unpacked():
    with pytest.raises(BodyTooLong):
        packed("gzip", gzip.compress(b"\0" * 50_000_000))


def test_a_damaged_or_cut_gzip_is_a_bad_answer():
    whole = gzip.compress(bytes(range(256)))
    with pytest.raises(TruncatedResponse):
        packed("gzip", whole[:-12])
    with pytest.raises(ResponseError):
        packed("gzip", whole[:-8] + bytes(8))
    with pytest.raises(ResponseError):
        packed("gzip", b"\x1f\x8b" + zlib.compress(b"x"))


def test_a_gzip_of_several_members_is_unpacked_whole():
    assert packed("gzip", gzip.compress(b"pho") + gzip.compress(b"to")) == b"photo"
    assert packed("gzip", gzip.compress(b"photo") + bytes(100)) == b"photo"
    with pytest.raises(BodyTooLong):
        packed("gzip", gzip.compress(b"a" * 900) * 2)


def test_what_is_packed_twice_is_unpacked_twice():
    assert packed("gzip, gzip", gzip.compress(gzip.compress(b"photo"))) == b"photo"
    assert packed("deflate, gzip", gzip.compress(zlib.compress(b"photo"))) == b"photo"
    with pytest.raises(ResponseError, match="packed 5 times"):
        packed("gzip, gzip, gzip, gzip, gzip", b"x")


def test_deflate_is_unpacked_as_the_standard_says_and_as_servers_do():
    bare = zlib.compressobj(wbits=-15)
    assert packed("deflate", zlib.compress(b"photo")) == b"photo"
    assert packed("deflate", bare.compress(b"photo") + bare.flush()) == b"photo"
    assert packed("deflate", b"\xff\xd8\xff photo") == b"\xff\xd8\xff photo"
    with pytest.raises(BodyTooLong):
        packed("deflate", zlib.compress(bytes(50_000_000)))
    with pytest.raises(ResponseError):
        packed("deflate", b"\x07 no stream")
