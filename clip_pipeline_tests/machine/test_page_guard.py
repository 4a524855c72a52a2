"""Which requests a guarded page answers: hosts, origins, methods, types, sizes; over a real server too."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clip_pipeline.machine.page_guard import (
    MAX_BODY_BYTES,
    MAX_HEADER_BYTES,
    PageGuard,
    PageRules,
    refuse_request,
    split_host,
)

RULES = PageRules(("pc.example",), ("/graphql",), ("/notebook",), changes=lambda body: b"mutation" in body)
READ_ONLY = PageRules(RULES.names, RULES.query_paths, RULES.closed_paths, True, RULES.changes)


def asked(method: str, path: str = "/", query: bytes = b"", rules: PageRules = RULES, **headers: str) -> int:
    """The status of the refusal, 200 where there is none. Headers with _ for -; HOST is added where none is given."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    raw = [
        (name.lower().encode(), value.encode("latin-1")) for name, value in ({"Host": "localhost:3000"} | named).items()
    ]
    refusal = refuse_request(method, path, query, raw, rules)
    return refusal.status if refusal else 200


@pytest.mark.parametrize("host", ["localhost", "localhost:3000", "LOCALHOST:1", "127.0.0.1:3000", "127.0.0.53", "[::1]:3000", "[0:0::1]", "pc.example", "PC.example:80"])  # fmt: skip
def test_names_of_loopback_and_of_the_owner_are_answered(host):
    assert asked("GET", Host=host) == 200
    assert asked("POST", "/graphql", Host=host, Content_Type="application/json", Origin=f"http://{host}") == 200


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "evil.localhost", "127.0.0.1.evil.example", "localhost@evil.example", "localhost:80:90", "localhost:", "0.0.0.0:3000", "[::]", "[::1", "2130706433", "0x7f.1", "192.168.1.7", "", " localhost", "localhost.", "pc.example.", "xpc.example", "localhost\t", "löcalhost", "localhost,evil.example"])  # fmt: skip
def test_a_name_that_leads_here_and_is_not_known_is_refused(host):
    """As after DNS rebinding: the browser takes the page of evil.example for its own."""
    assert asked("GET", Host=host) == 403
    assert asked("POST", "/graphql", Host=host, Content_Type="application/json", Origin=f"http://{host}") == 403


def test_a_request_names_one_host():
    raw = [(b"host", b"localhost"), (b"Host", b"evil.example")]
    assert refuse_request("GET", "/", b"", raw, RULES).status == 400
    assert refuse_request("GET", "/", b"", [], RULES).status == 400
    twice = [(b"host", b"localhost"), (b"content-type", b"application/json"), (b"content-type", b"text/plain")]
    assert refuse_request("POST", "/graphql", b"", twice, RULES).status == 400


@pytest.mark.parametrize("origin", ["http://evil.example", "https://localhost:3000", "http://localhost:3001", "http://localhost", "http://127.0.0.1:3000", "null", "file://", "http://localhost:3000.evil.example", "http://localhost:3000@evil.example", "chrome-extension://abc", "http://localhost:3000/", "", "*"])  # fmt: skip
def test_a_foreign_origin_is_refused(origin):
    expected = 200 if origin == "" else 403  # a program on this machine sends none
    if origin == "https://localhost:3000":  # the page behind a server with a certificate on the same name and port
        expected = 200
    assert asked("POST", "/graphql", Content_Type="application/json", Origin=origin) == expected
    assert asked("GET", "/", Origin=origin) == expected


@pytest.mark.parametrize("site", ["cross-site", "same-site", "CROSS-SITE", "odd"])
def test_what_another_site_asks_for_is_refused_but_for_a_link_that_somebody_followed(site):
    assert asked("POST", "/graphql", Content_Type="application/json", Sec_Fetch_Site=site) == 403
    assert asked("GET", "/", Sec_Fetch_Site=site, Sec_Fetch_Mode="no-cors", Sec_Fetch_Dest="image") == 403
    assert asked("GET", "/", Sec_Fetch_Site=site, Sec_Fetch_Mode="navigate", Sec_Fetch_Dest="iframe") == 403
    assert asked("GET", "/runs", Sec_Fetch_Site=site, Sec_Fetch_Mode="navigate", Sec_Fetch_Dest="document") == 200
    navigated = {"Sec_Fetch_Site": site, "Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "document"}
    assert asked("POST", "/graphql", Content_Type="application/json", **navigated) == 403
    assert asked("GET", "/graphql", Accept="text/html", **navigated) == 403


@pytest.mark.parametrize("kind", ["text/plain", "text/plain; application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/graphql", "application/json+x", "application/jsonp", "", "text/plain;charset=application/json", "APPLICATION/JSON-SEQ"])  # fmt: skip
def test_a_form_or_text_changes_nothing(kind):
    assert asked("POST", "/graphql", Content_Type=kind) == 415
    assert asked("POST", "/report_asset_materialization/x", Content_Type=kind) == 415


def test_json_is_known_in_any_writing():
    assert asked("POST", "/graphql", Content_Type="application/json") == 200
    assert asked("POST", "/graphql", Content_Type="Application/JSON; charset=utf-8") == 200


@pytest.mark.parametrize("path", ["/graphql", "/graphql/", "//graphql", "/GraphQL", "/graphql/x"])
def test_no_address_is_a_question(path):
    assert asked("GET", path, b"query={version}") == 405
    assert asked("GET", path, b"query={version}", Accept="text/html") == 405
    assert asked("HEAD", path, b"query=mutation{x}") == 405
    assert asked("GET", path, Accept="*/*") == 405
    assert asked("GET", path, Accept="text/html,*/*") == 200


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "get", "post", "PROPFIND"])
def test_other_methods_are_refused(method):
    assert asked(method, "/graphql", Content_Type="application/json") == 405


def test_what_reads_files_by_name_is_closed():
    assert asked("GET", "/notebook", b"path=/etc/x.ipynb") == asked("GET", "//notebook/") == 403
    assert asked("GET", "/notebooks") == 200


@pytest.mark.parametrize("length", ["9" * 5000, "-1", "+1", "1e3", "0x10", "1,2", "²", str(MAX_BODY_BYTES + 1)])
def test_an_odd_or_long_length_is_refused(length):
    assert asked("POST", "/graphql", Content_Type="application/json", Content_Length=length) in (400, 413)


def test_long_headers_are_refused():
    assert asked("GET", "/", Cookie="x" * MAX_HEADER_BYTES) == 431


def test_a_sentence_shows_nothing_that_does_something():
    raw = [(b"host", b"<script>alert(1)</script>\x1b[31m" + b"x" * 500)]
    said = refuse_request("GET", "/", b"", raw, RULES).sentence
    assert "<" not in said and "\x1b" not in said and len(said) < 300


def test_hosts_are_read_as_a_browser_writes_them():
    assert split_host("[::1]:80") == ("::1", "80") and split_host("A.b:1") == ("a.b", "1")
    assert split_host("[zz]") is split_host("a b") is split_host("a/b") is split_host("a:") is None


class Echo:
    """An application that says what it was handed, and takes note of it."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.sockets = 0

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] == "lifespan":
            while (await receive())["type"] != "lifespan.shutdown":
                await send({"type": "lifespan.startup.complete"})
            await send({"type": "lifespan.shutdown.complete"})
        elif scope["type"] == "websocket":
            self.sockets += 1
            await receive()
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.close"})
        else:
            message = await receive()
            self.bodies.append(message["body"])
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
            await send({"type": "http.response.body", "body": b"ok"})


@pytest.fixture(scope="module", params=[RULES, READ_ONLY], ids=["page", "read_only"])
def served(request) -> Iterator[tuple[int, Echo, bool]]:
    """(port, application, whether it is read-only) behind a guard, as defs/web_server.py serves it."""
    import uvicorn

    echo = Echo()
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        config = uvicorn.Config(PageGuard(echo, request.param), http="h11", log_level="error")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([listening])), daemon=True)
        thread.start()
        deadline = time.monotonic() + 30
        while not server.started and time.monotonic() < deadline:
            time.sleep(0.01)
        yield listening.getsockname()[1], echo, request.param.read_only
        server.should_exit = True
        thread.join(30)


def talk(port: int, request: bytes) -> bytes:
    """What is answered, as far as it came before the connection ended or the body was there."""
    received = b""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection, contextlib.suppress(ConnectionError):
        connection.sendall(request)
        while part := connection.recv(65536):
            received += part
            if b" 101 " in received or b"\r\n\r\nok" in received:
                break
    return received


def post(body: bytes, **headers: str) -> bytes:
    lines = {"Host": "localhost", "Content-Type": "application/json", "Content-Length": str(len(body))} | headers
    return b"POST /graphql HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in lines.items()).encode() + b"\r\n" + body


def test_a_good_question_reaches_the_application_whole(served):
    port, echo, _ = served
    answer = talk(port, post(b'{"query": "{version}"}'))
    assert b" 200 " in answer and b"x-frame-options: DENY" in answer and echo.bodies[-1] == b'{"query": "{version}"}'


def test_a_change_is_refused_where_the_page_is_read_only(served):
    port, echo, read_only = served
    before = len(echo.bodies)
    answer = talk(port, post(b'{"query": "mutation{x}"}'))
    assert (b" 403 " in answer and b"read-only" in answer) == read_only and len(echo.bodies) - before == (not read_only)


def test_a_body_in_chunks_without_end_is_refused(served):
    port, echo, _ = served
    before = len(echo.bodies)
    head = b"POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"100000\r\n" + b"[" * 0x100000 + b"\r\n"
    assert b" 413 " in talk(port, head + chunk * 9)
    assert len(echo.bodies) == before


def test_a_header_without_end_is_refused(served):
    port, _, _ = served
    assert b" 400 " in talk(port, b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 300_000)


@pytest.mark.parametrize(
    "line", ["Origin: http://evil.example", "Origin: null", "Host: evil.example", "Sec-Fetch-Site: cross-site"]
)
def test_a_websocket_of_another_page_is_refused(served, line):
    port, echo, _ = served
    host = "" if line.startswith("Host") else "Host: localhost\r\n"
    upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
    before = echo.sockets
    assert b" 403 " in talk(port, f"GET /graphql HTTP/1.1\r\n{host}{upgrade}{line}\r\n\r\n".encode())
    assert echo.sockets == before
    own = f"GET /graphql HTTP/1.1\r\nHost: localhost\r\n{upgrade}Origin: http://localhost\r\n\r\n".encode()
    assert b" 101 " in talk(port, own) and echo.sockets == before + 1


HOSTS = st.sampled_from([b"localhost:3000", b"127.0.0.1", b"evil.example", b"", b"\xff"]) | st.binary(max_size=30)
NAMES = st.sampled_from(
    [b"host", b"origin", b"sec-fetch-site", b"content-type", b"content-length", b"accept", b"referer"]
)


@given(
    method=st.sampled_from(["GET", "HEAD", "POST", "PUT", ""]) | st.text(max_size=8),
    path=st.sampled_from(["/", "/graphql", "/notebook"]) | st.text(max_size=20),
    query=st.binary(max_size=20),
    headers=st.lists(st.tuples(NAMES | st.binary(max_size=12), HOSTS), max_size=6),
)
def test_whatever_comes_is_answered_or_refused_and_never_for_a_name_that_is_not_known(method, path, query, headers):
    refusal = refuse_request(method, path, query, headers, RULES)
    hosts = [value for name, value in headers if name == b"host"]
    if refusal is None:
        assert len(hosts) == 1 and refuse_request("GET", "/", b"", [(b"host", hosts[0])], RULES) is None
        assert not any(b"evil" in value for name, value in headers if name in (b"host", b"origin"))
        assert method in ("GET", "HEAD", "POST")
    else:
        assert 400 <= refusal.status < 500 and refusal.sentence.isprintable()
