"""`clip-pipeline dev` for tests: started, watched, and gone with all that belongs to it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
MAX_START_SECONDS = 180
QUICK_DAEMON = """
import sys
if "dagster._daemon" in sys.orig_argv:  # the daemon looks every 30 s; a test would wait for that most of its time
    import dagster._daemon.controller
    dagster._daemon.controller.DEFAULT_DAEMON_INTERVAL_SECONDS = 2
"""

needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine: apt-get install chromium")


@contextlib.contextmanager
def open_page(recipe: str, data: Path, folder: Path, environment: dict[str, str] | None = None) -> Iterator[str]:
    """The address of a page on `data`, with its history and log in `folder`. Nothing of it is left at the end."""
    home, port, log = folder / "home", free_port(), folder / "dagster.log"
    command = ["dev", "--recipe", recipe, "--data", data, "--home", home, "--port", str(port)]
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "clip_pipeline", *map(str, command)],
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
        )
    try:
        _wait_for(f"http://127.0.0.1:{port}/server_info", process, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGINT)
        try:
            assert process.wait(60) == 0, log.read_text()
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    assert "The page is at" in log.read_text()
    assert running_with(f"DAGSTER_HOME={home}") == []


def quick_daemon(folder: Path) -> dict[str, str]:
    """The environment of a page whose daemon looks every 2 s; `folder` is made, and holds what does it."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(QUICK_DAEMON)
    paths = os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH"))))
    return os.environ | {"PYTHONPATH": paths}


def ask(url: str, query: str, **variables: Any) -> dict[str, Any]:
    """The data of the page's own GraphQL. Raises AssertionError with its errors."""
    body = json.dumps({"query": query, "variables": variables}).encode()
    request = urllib.request.Request(f"{url}/graphql", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=120) as answer:
        found = json.load(answer)
    assert "errors" not in found, found["errors"]
    return found["data"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def running_with(variable: str) -> list[str]:
    """The commands of the processes whose environment says so, on Linux."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # ended meanwhile, or another user's
            if variable.encode() in (folder / "environ").read_bytes().split(b"\0"):
                found.append((folder / "cmdline").read_text().replace("\0", " "))
    return found


def _wait_for(url: str, process: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + MAX_START_SECONDS
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            assert process.poll() is None, log.read_text()[-2000:]
            time.sleep(0.5)
    pytest.fail(f"the page did not answer within {MAX_START_SECONDS} s:\n{log.read_text()[-2000:]}")
