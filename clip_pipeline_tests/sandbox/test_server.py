from __future__ import annotations

import contextlib
import io
import os
import signal
import socket
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest
import requests

from clip_pipeline.errors import ClipPipelineError
from clip_pipeline.sandbox.server import start_sandbox
from clip_pipeline.settings import SandboxSettings

TINY = SandboxSettings(photos=50, articles=50)

PARENT = """
import os, sys, time
from clip_pipeline.settings import SandboxSettings
from clip_pipeline.sandbox.server import start_sandbox
running = start_sandbox(SandboxSettings(photos=50, articles=50))
if {forks}:
    if os.fork() == 0:
        time.sleep(30)
        os._exit(0)
print(running.port, running.process.pid, flush=True)
time.sleep(30)
"""


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.slow
@pytest.mark.parametrize("forks", [False, True])
def test_the_sandbox_ends_when_its_parent_is_killed(forks):
    root = str(Path(__file__).resolve().parents[2])
    environment = {**os.environ, "PYTHONPATH": root}
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT.format(forks=forks)],
        stdout=subprocess.PIPE,
        env=environment,
        start_new_session=True,
    )
    port, _ = map(int, parent.stdout.readline().split())
    assert _answers(port)
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 60
    while _answers(port) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _answers(port)
    # The forked worker of the second case still sleeps in the parent's process group.
    if forks:
        os.killpg(parent.pid, signal.SIGKILL)
    parent.stdout.close()


def test_stop_ends_the_process_and_may_be_called_twice():
    running = start_sandbox(TINY)
    assert _answers(running.port)
    running.stop()
    running.stop()
    assert running.process.returncode == 0 and not _answers(running.port)


def test_a_port_in_use_is_a_sentence():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ClipPipelineError, match=f"Port {port} is in use. Choose another"):
            start_sandbox(TINY, port=port)


def test_hosts_name_the_three_sites(sandbox):
    assert sandbox.hosts == {f"{name}.sandbox.test": ("127.0.0.1", sandbox.port) for name in ("api", "images", "dumps")}


def test_a_browser_finds_everything_from_the_first_page(sandbox):
    page = requests.get(sandbox.url, timeout=30).text
    base = f"http://127.0.0.1:{sandbox.port}"
    assert f"{base}/api/search/photos?query=umbrella" in page and f"{base}/images/photo-" in page
    found = requests.get(f"{base}/api/search/photos?query=red&client_id=sandbox-key", timeout=30).json()
    photo = next(photo for photo in found["results"] if not photo["premium"])
    assert photo["urls"]["raw"].startswith(f"{base}/images/photo-")
    assert requests.get(f"{base}/dumps/enwiki/", timeout=30).status_code == 200
    assert requests.get(f"{base}/nothing", timeout=30).status_code == 404


def test_the_zero_shot_test_is_published(get):
    names = get("dumps.sandbox.test", "/benchmarks/sandbox/classnames.txt").text.splitlines()
    assert len(names) == 120
    content = get("dumps.sandbox.test", "/benchmarks/sandbox/unseen/0.tar").content
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        assert len(tar.getnames()) == 2000
    assert get("dumps.sandbox.test", "/benchmarks/sandbox/").text.count("href") == 8
    assert get("dumps.sandbox.test", "/benchmarks/sandbox/other.txt").status_code == 404


def test_one_connection_serves_many_requests_and_pipelined_ones(sandbox):
    with socket.create_connection(("127.0.0.1", sandbox.port), timeout=30) as connection:
        one = b"GET /control HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
        connection.sendall(one + one + one.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
    assert received.count(b"HTTP/1.1 200 OK") == 3


def test_nonsense_gets_an_answer_and_ends_nothing(sandbox):
    with socket.create_connection(("127.0.0.1", sandbox.port), timeout=30) as connection:
        connection.sendall(b"what?\r\n\r\n")
        assert b"400" in connection.recv(100)
    assert requests.get(sandbox.url, timeout=30).status_code == 200


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ("Host: evil.example", 403),
        ("Host: sandbox.test.evil.example", 403),
        ("Host: 127.0.0.1\r\nHost: evil.example", 400),
        ("X: no host", 400),
        ("Host: 127.0.0.1\r\nOrigin: http://evil.example", 403),
        ("Host: 127.0.0.1\r\nOrigin: null", 403),
        ("Host: 127.0.0.1\r\nSec-Fetch-Site: cross-site", 403),
        (f"Host: 127.0.0.1\r\nContent-Length: {'9' * 5000}", 400),
        ("Host: 127.0.0.1\r\nContent-Length: -5", 400),
        ("Host: 127.0.0.1\r\nContent-Length: 6500000000", 413),
        ("Host: 127.0.0.1\r\nContent-Length: 65537", 413),
        ("Host: 127.0.0.1\r\nContent-Length: 1\r\nContent-Length: 2", 400),
        ("Host: 127.0.0.1\r\nTransfer-Encoding: chunked", 411),
        (f"Host: 127.0.0.1\r\nX: {'x' * 70_000}", 431),
        (f"Host: 127.0.0.1\r\nX: {'x' * 7_000_000}", 431),
    ],
)
def test_requests_of_other_pages_and_of_any_length_are_refused(sandbox, lines, status):
    received = b""
    with (
        socket.create_connection(("127.0.0.1", sandbox.port), timeout=30) as connection,
        contextlib.suppress(ConnectionError),
    ):
        connection.sendall(f"GET /control HTTP/1.1\r\n{lines}\r\n\r\n".encode())
        while chunk := connection.recv(65536):  # it is closed, so that nothing else is read
            received += chunk
    assert received.startswith(f"HTTP/1.1 {status} ".encode()) or (len(lines) > 1_000_000 and not received)
    assert requests.get(sandbox.url, timeout=30).status_code == 200


def test_a_budget_is_set_by_a_post_of_json_alone(sandbox):
    url = f"{sandbox.url}control?rate_limit=1&window=3600"
    before = requests.get(url, timeout=30).json()["rate_limit"]
    assert before > 1
    assert requests.post(url, data="x", timeout=30).status_code == 415
    assert requests.post(url, data={"a": "b"}, timeout=30).status_code == 415
    assert requests.get(f"{sandbox.url}control", timeout=30).json()["rate_limit"] == before


def test_who_sends_on_and_on_is_not_kept_in_memory():
    from clip_pipeline.sandbox.server import MAX_BODY_BYTES, MAX_HEADER_BYTES, _Connection

    class Transport:
        paused = closing = False
        sent = b""

        def pause_reading(self):
            self.paused = True

        def is_closing(self):
            return self.closing

    connection, transport = _Connection(None), Transport()
    connection.connection_made(transport)
    connection._waiting = True  # an answer that takes its time is being sent
    connection.data_received(b"GET / HTTP/1.1\r\n\r\n" * ((MAX_HEADER_BYTES + MAX_BODY_BYTES) // 18 + 1))
    assert transport.paused


def test_head_has_the_length_and_no_body(sandbox):
    response = requests.head(f"{sandbox.url}benchmarks/sandbox/classnames.txt", timeout=30)
    assert int(response.headers["Content-Length"]) > 100 and response.content == b""


@pytest.mark.slow
def test_two_servers_of_one_seed_send_the_same_bytes(sandbox, world):
    from clip_pipeline_tests.sandbox.conftest import SETTINGS

    path = f"/images/{next(p for p in world.photos if not p.fault).path}?w=96"
    search = "/search/photos?query=cup&client_id=sandbox-key"
    with start_sandbox(SETTINGS) as other:
        for host, target in (("127.0.0.1", path), ("api.sandbox.test", search)):
            bodies = {
                requests.get(f"http://127.0.0.1:{port}{target}", headers={"Host": host}, timeout=30).content
                for port in (sandbox.port, other.port)
            }
            assert len(bodies) == 1
