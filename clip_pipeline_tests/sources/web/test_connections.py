from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import time

import pytest

from clip_pipeline.sources.web.connections import Connection, Connections
from clip_pipeline_tests.sources.loopback import Answer, loopback, until
from clip_pipeline_tests.sources.wire import wire

SITE = ("http", "photos.test", 80)
REQUEST = b"GET /a.jpg HTTP/1.1\r\nHost: photos.test\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nphoto"


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def in_seconds(seconds: float) -> float:
    return time.monotonic() + seconds


def test_the_next_address_is_tried_where_one_refuses():
    with wire(OK) as server:
        connection = Connection(SITE, [("127.0.0.1", closed_port()), ("127.0.0.1", server.port)], None, silence=2.0)
        head = connection.send(REQUEST, in_seconds(5))
        assert connection.read_body(head, 100) == b"photo"
        connection.close()


def test_an_address_that_does_not_answer_leaves_time_for_the_next(monkeypatch):
    with wire(OK) as server, socket.create_server(("127.0.0.1", 0), backlog=1) as deaf:
        filling = [socket.socket() for _ in range(8)]  # a full queue: whoever connects now hears nothing
        for one in filling:
            one.setblocking(False)
            one.connect_ex(deaf.getsockname())
        time.sleep(0.05)
        connection = Connection(SITE, [deaf.getsockname(), ("127.0.0.1", server.port)], None, silence=5.0)
        started = time.monotonic()
        head = connection.send(REQUEST, in_seconds(1.0))
        assert (head.status, connection.read_body(head, 100)) == (200, b"photo")
        assert 0.4 < time.monotonic() - started < 0.98
        for one in (connection, *filling):
            one.close()


def test_no_address_that_answers_is_an_oserror():
    connection = Connection(SITE, [("127.0.0.1", closed_port())] * 2, None, silence=2.0)
    with pytest.raises(ConnectionRefusedError):
        connection.send(REQUEST, in_seconds(5))


def test_a_deadline_that_has_passed_sends_nothing():
    with wire(OK) as server:
        connection = Connection(SITE, [("127.0.0.1", server.port)], None, silence=2.0)
        with pytest.raises(TimeoutError):
            connection.send(REQUEST, in_seconds(-1))
        connection.close()
        assert server.requests == []


def test_an_idle_connection_that_was_closed_or_spoke_is_not_taken_again():
    def close_later(request, send):
        send(OK)
        return False

    with wire(close_later) as server:
        connections = Connections(4, silence=2.0)
        endpoints = [("127.0.0.1", server.port)]
        first = connections.take(SITE, endpoints)
        first.read_body(first.send(REQUEST, in_seconds(5)), 100)
        connections.give_back(first)
        until(lambda: not first.is_quiet)
        assert connections.take(SITE, endpoints) is not first
        connections.close()


def test_connections_that_come_back_after_the_end_are_closed(site):
    site.always("/a.jpg", Answer(body=b"photo"))
    connections = Connections(4, silence=2.0)
    one = connections.take(SITE, [("127.0.0.1", site.port)])
    one.read_body(one.send(REQUEST, in_seconds(5)), 100)
    connections.close()
    connections.give_back(one)
    until(lambda: site.open_connections == 0)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_connection_with_tls_is_kept_and_carries_large_bodies(tmp_path, monkeypatch, version):
    if shutil.which("openssl") is None:
        pytest.skip("openssl, which makes the certificate, is not installed")
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=photos.test "
    command += "-addext subjectAltName=DNS:photos.test -keyout key.pem -out cert.pem"
    subprocess.run(command.split(), cwd=tmp_path, check=True, capture_output=True)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    context.maximum_version = version
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
    body = bytes(range(256)) * 4000
    with loopback(context) as site:
        site.always("/a.jpg", Answer(body=body))
        connections = Connections(4, silence=2.0)
        for _ in range(3):
            one = connections.take(("https", "photos.test", 443), [("127.0.0.1", site.port)])
            head = one.send(REQUEST, in_seconds(5))
            assert one.read_body(head, 10**7) == body
            connections.give_back(one)
            time.sleep(0.02)
        assert site.connections == 1
        connections.close()
