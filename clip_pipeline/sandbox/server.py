"""Publishes a world on loopback: HTTP/1.1 with keep-alive in one process that lives no longer than its parent.

One thread and an event loop: drawing a photo takes about half a millisecond, so more threads would only wait for each
other.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import errno
import http
import json
import logging
import os
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from clip_pipeline.errors import ClipPipelineError
from clip_pipeline.machine.page_guard import MAX_HEADER_BYTES, PageRules, Refusal, refuse_request
from clip_pipeline.machine.progress import waiting
from clip_pipeline.sandbox.messages import Response
from clip_pipeline.sandbox.sites import HOST_NAMES, Sites
from clip_pipeline.sandbox.unsplash import REQUESTS_PER_HOUR, SANDBOX_KEY
from clip_pipeline.sandbox.world import World
from clip_pipeline.settings import SandboxSettings

__all__ = ["SANDBOX_KEY", "RunningSandbox", "serve", "start_sandbox"]

logger = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"
MAX_BODY_BYTES = 65_536
RULES = PageRules(
    HOST_NAMES,
    max_body_bytes=MAX_BODY_BYTES,
    advice="Ask it by one of those, or through a program that sends one of them.",
)
"""Nothing that the sites answer needs a body."""

SECONDS_BETWEEN_PARENT_CHECKS = 1.0
REASONS = {status.value: status.phrase for status in http.HTTPStatus}


@dataclass
class RunningSandbox:
    """A sandbox in a process of its own. `hosts` maps each virtual host to (address, port)."""

    port: int
    process: subprocess.Popen = field(repr=False)

    @property
    def hosts(self) -> dict[str, tuple[str, int]]:
        return {name: (LOOPBACK, self.port) for name in HOST_NAMES}

    @property
    def url(self) -> str:
        """The address for a browser."""
        return f"http://{LOOPBACK}:{self.port}/"

    def stop(self) -> None:
        """Ends the process; does nothing when it has ended already."""
        if self.process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self.process.stdin.close()
        try:
            self.process.wait(timeout=3)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()

    def __enter__(self) -> RunningSandbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def start_sandbox(
    settings: SandboxSettings, port: int = 0, *, rate_limit: int = REQUESTS_PER_HOUR, rate_window: float = 3600.0
) -> RunningSandbox:
    """Starts the sandbox in a process of its own and returns when it answers.

    port: 0 takes a free one. rate_limit: API requests in `rate_window` seconds. The process ends when this one does,
    however it does. Raises ClipPipelineError when the port is taken or the process does not come up.
    """
    wanted = [settings.seed, settings.photos, settings.articles, port, rate_limit, rate_window]
    command = [sys.executable, "-m", "clip_pipeline.sandbox.server", *map(str, wanted), "--parent", str(os.getpid())]
    # The package may be imported from a checkout that is not installed.
    root = str(Path(__file__).resolve().parents[2])
    search_path = os.pathsep.join(part for part in (root, os.environ.get("PYTHONPATH", "")) if part)
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": search_path},
        # Ctrl-C is for the parent, which then stops the sandbox in its own order.
        start_new_session=True,
    )
    with waiting("Starting the sandbox world"):
        line = process.stdout.readline() if process.stdout else b""
    answer = (
        json.loads(line) if line.startswith(b"{") else {"error": "The sandbox did not start; its message is above."}
    )
    sandbox = RunningSandbox(int(answer.get("port", 0)), process)
    if "error" in answer:
        sandbox.stop()
        raise ClipPipelineError(answer["error"])
    logger.info("Sandbox of seed %d with %d photos serves on port %d", settings.seed, settings.photos, sandbox.port)
    return sandbox


def serve(settings: SandboxSettings, port: int = 0) -> None:
    """Serves in the foreground until Ctrl-C. Raises ClipPipelineError when the port is taken."""
    sites = Sites(World(settings.seed, settings.photos, settings.articles))

    def announce(bound: int) -> None:
        print(f"The sandbox is at http://{LOOPBACK}:{bound}/ - Ctrl-C stops it.", flush=True)  # noqa: T201

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve_until_cancelled(sites, port, announce))


async def _serve_until_cancelled(sites: Sites, port: int, announce) -> None:
    loop = asyncio.get_running_loop()
    try:
        server = await loop.create_server(lambda: _Connection(sites), LOOPBACK, port, backlog=512)
    except OSError as error:
        if error.errno not in (errno.EADDRINUSE, errno.EACCES):
            raise
        why = "is in use" if error.errno == errno.EADDRINUSE else "may not be used by this account"
        raise ClipPipelineError(f"Port {port} {why}. Choose another with --port, or 0 for any free one.") from error
    async with server:
        announce(server.sockets[0].getsockname()[1])
        await server.serve_forever()


class _Connection(asyncio.Protocol):
    """One client connection; its requests are answered in order."""

    def __init__(self, sites: Sites):
        self._sites = sites
        self._received = b""
        self._waiting = False
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        self._received += data
        if len(self._received) > MAX_HEADER_BYTES + MAX_BODY_BYTES:
            self._transport.pause_reading()  # one that sends on and on waits until it is answered
        if not self._waiting:
            self._answer_what_is_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._received = b""

    def _answer_what_is_complete(self) -> None:
        while not self._transport.is_closing():
            head, separator, rest = self._received.partition(b"\r\n\r\n")
            if not separator or len(head) > MAX_HEADER_BYTES:
                if len(head) > MAX_HEADER_BYTES:
                    self._refuse("GET", Refusal(431, f"The headers are longer than {MAX_HEADER_BYTES // 1024} kB."))
                return
            method, target, lines = _parse_head(head)
            headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in lines}
            refusal = _refuse(method, target, lines)
            if refusal:
                self._refuse(method, refusal)
                return
            length = int(headers.get("content-length") or 0)
            if len(rest) < length:
                return
            self._received = rest[length:]
            self._transport.resume_reading()
            response = self._answer(method, target, headers)
            if response.delay:
                self._waiting = True
                loop = asyncio.get_running_loop()
                loop.call_later(response.delay, self._send_and_go_on, method, headers, response)
                return
            self._send(method, headers, response)

    def _refuse(self, method: str, refusal: Refusal) -> None:
        """Whatever follows on the connection is not read."""
        self._received = b""
        self._send(method, {"connection": "close"}, Response(refusal.status, f"{refusal.sentence}\n".encode()))

    def _answer(self, method: str, target: str, headers: dict[str, str]) -> Response:
        try:
            return self._sites.answer(method, target, headers)
        except Exception:  # noqa: BLE001  one bad request must not end the server; the log has the traceback
            logger.exception("The sandbox failed on %s %s", method, target)
            return Response(500, b"Internal Server Error\n")

    def _send_and_go_on(self, method: str, headers: dict[str, str], response: Response) -> None:
        self._waiting = False
        if not self._transport.is_closing():
            self._send(method, headers, response)
            self._answer_what_is_complete()

    def _send(self, method: str, headers: dict[str, str], response: Response) -> None:
        close = headers.get("connection", "").lower() == "close" or response.sent_share < 1
        lines = [
            f"HTTP/1.1 {response.status} {REASONS.get(response.status, '')}",
            "Server: sandbox",
            f"Content-Type: {response.content_type}",
            *(f"{name}: {value}" for name, value in response.headers.items()),
            f"Connection: {'close' if close else 'keep-alive'}",
        ]
        if response.status != 304:
            lines.append(f"Content-Length: {len(response.body)}")
        body = b"" if method == "HEAD" else response.body[: int(len(response.body) * response.sent_share)]
        self._transport.write("\r\n".join([*lines, "", ""]).encode("latin-1", "replace") + body)
        if close:
            self._transport.close()


def _parse_head(head: bytes) -> tuple[str, str, list[tuple[bytes, bytes]]]:
    """Method, target and headers (lower-case names) of a request; "" as target when it makes no sense."""
    first, *lines = head.split(b"\r\n")
    method, _, rest = first.decode("latin-1").partition(" ")
    target, _, version = rest.rpartition(" ")
    named = (line.partition(b":") for line in lines)
    headers = [(name.strip().lower(), value.strip()) for name, colon, value in named if colon]
    return method, target if version.startswith("HTTP/") else "", headers


def _refuse(method: str, target: str, headers: list[tuple[bytes, bytes]]) -> Refusal | None:
    if not target.startswith("/"):
        return Refusal(400, "Bad Request: expected a method, a path that begins with / and HTTP/1.1.")
    if any(name == b"transfer-encoding" for name, _ in headers):
        return Refusal(411, "A body is sent with its Content-Length here.")
    path, _, query = target.partition("?")
    return refuse_request(method, path, query.encode("latin-1"), headers, RULES)


def _exit_with_the_parent(pipe: IO[bytes], parent: int) -> None:
    """Ends this process when the pipe from the parent closes, or when the parent is another one than before.

    The pipe alone is not enough: a worker that the parent forked may hold its other end open.
    """

    def watch_pipe() -> None:
        while pipe.read(4096):
            pass
        os._exit(0)

    def watch_parent() -> None:
        pause = threading.Event()
        while os.getppid() == parent:
            pause.wait(SECONDS_BETWEEN_PARENT_CHECKS)
        os._exit(0)

    for watch in (watch_pipe, watch_parent):
        threading.Thread(target=watch, daemon=True).start()


def _main() -> None:
    parser = argparse.ArgumentParser(description="The sandbox as a child process; use `clip-pipeline sandbox serve`.")
    for name in ("seed", "photos", "articles", "port", "rate_limit"):
        parser.add_argument(name, type=int)
    parser.add_argument("rate_window", type=float)
    parser.add_argument("--parent", type=int, required=True)
    given = parser.parse_args()
    # An unbuffered copy: reading must not wait for a full block.
    _exit_with_the_parent(os.fdopen(os.dup(sys.stdin.fileno()), "rb", buffering=0), given.parent)

    def tell(facts: dict[str, object]) -> None:
        sys.stdout.write(json.dumps(facts) + "\n")
        sys.stdout.flush()

    try:
        sites = Sites(World(given.seed, given.photos, given.articles), given.rate_limit, given.rate_window)
        asyncio.run(_serve_until_cancelled(sites, given.port, lambda port: tell({"port": port})))
    except ClipPipelineError as error:
        tell({"error": str(error)})
        sys.exit(1)


if __name__ == "__main__":
    _main()
