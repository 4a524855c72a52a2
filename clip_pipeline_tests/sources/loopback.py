"""A real HTTP server on loopback whose answers a test writes itself."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


@dataclass
class Answer:
    """What to send. length: the Content-Length told, by default the body's own. pieces: sent with `pause` seconds between."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    length: int | None = -1
    pause: float = 0.0


Route = Callable[[BaseHTTPRequestHandler, int], Answer]


class Loopback:
    """The server. requests: (host header, path with query) in the order they came. max_at_a_time: requests answered."""

    def __init__(self) -> None:
        self.routes: dict[str, Route] = {}
        self.requests: list[tuple[str, str]] = []
        self.headers: list[dict[str, str]] = []
        self.connections = 0
        self.open_connections = 0
        self.at_a_time = 0
        self.max_at_a_time = 0
        self.lock = threading.Lock()
        self.port = 0

    def hosts(self, *names: str) -> dict[str, tuple[str, int]]:
        return {name: ("127.0.0.1", self.port) for name in names}

    def always(self, path: str, answer: Answer) -> None:
        self.routes[path] = lambda request, count: answer

    def in_turn(self, path: str, *answers: Answer) -> None:
        """The first answer to the first request, the last one from then on."""
        self.routes[path] = lambda request, count: answers[min(count, len(answers) - 1)]

    def count(self, path: str) -> int:
        return sum(urlsplit(asked).path == path for _, asked in self.requests)


def until(is_so: Callable[[], bool], seconds: float = 5.0) -> None:
    """Waits for what another thread is about to do."""
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@contextmanager
def loopback(context=None) -> Iterator[Loopback]:
    """Serves until the block ends. context: an ssl.SSLContext for TLS."""
    site = Loopback()
    ended = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 10
        disable_nagle_algorithm = True

        def setup(self) -> None:
            super().setup()
            with site.lock:
                site.connections += 1
                site.open_connections += 1

        def finish(self) -> None:
            with site.lock:
                site.open_connections -= 1
            super().finish()

        def do_GET(self) -> None:  # noqa: N802
            with site.lock:
                site.at_a_time += 1
                site.max_at_a_time = max(site.max_at_a_time, site.at_a_time)
            try:
                self.answer()
            finally:
                with site.lock:
                    site.at_a_time -= 1

        def answer(self) -> None:
            path = urlsplit(self.path).path
            count = site.count(path)
            site.requests.append((self.headers["Host"], self.path))
            site.headers.append(dict(self.headers))
            route = site.routes.get(path)
            answer = route(self, count) if route else Answer(404, b"no such page")
            length = len(answer.body) if answer.length == -1 else answer.length
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            if length is not None:
                self.send_header("Content-Length", str(length))
            self.close_connection = self.close_connection or length != len(answer.body)
            if self.close_connection:
                self.send_header("Connection", "close")
            with contextlib.suppress(OSError):
                self.end_headers()
                if not answer.pause:
                    self.wfile.write(answer.body)
                    return
                for place in range(len(answer.body)):
                    if ended.wait(answer.pause):
                        return
                    self.wfile.write(answer.body[place : place + 1])
                    self.wfile.flush()

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False

        def handle_error(self, request, client_address) -> None:
            pass  # clients of these tests break off on purpose

    server = Server(("127.0.0.1", 0), Handler)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    site.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield site
    finally:
        ended.set()
        server.shutdown()
        server.server_close()
        thread.join()
