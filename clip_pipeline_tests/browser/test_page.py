"""The Dagster page in a real browser: the graph is there, and an asset that is materialised turns green.

Needs Chromium (`apt-get install chromium`) and the `dev` extra; `defs/test_definitions.py` runs the same definitions without.
"""

from __future__ import annotations

import contextlib
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

playwright = pytest.importorskip("playwright.sync_api")

ROOT = Path(__file__).resolve().parents[2]
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
MAX_RUN_MS = 120_000

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine: apt-get install chromium")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def page_url(tiny_data, tmp_path):
    """`clip-pipeline dev` on a copy of the tiny artifacts, one of which is missing; nothing of it is left at the end."""
    data = shutil.copytree(tiny_data, tmp_path / "data", copy_function=shutil.copy2)
    shutil.rmtree(data / "words" / "vocabulary")
    home, port, log = tmp_path / "home", free_port(), tmp_path / "dagster.log"
    command = ["dev", "--recipe", "tiny", "--data", data, "--home", home, "--port", str(port)]
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "clip_pipeline", *command], stdout=output, stderr=subprocess.STDOUT
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


def _open_again_until_shown(page, element) -> None:
    """The page shows new metadata when it is opened again, and on a busy machine not at once."""
    for seconds_ms in (20_000, 40_000, 60_000):
        page.reload()
        try:
            element.wait_for(timeout=seconds_ms)
            return
        except playwright.TimeoutError:
            continue
    element.wait_for(timeout=1_000)


def test_an_asset_materialised_on_the_page_turns_green(page_url, tmp_path):
    with playwright.sync_playwright() as browsers:
        browser = browsers.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1600, "height": 1000})
        page.goto(f"{page_url}/asset-groups")
        for group in ("1_words", "2_images", "3_text", "4_training", "5_embedding", "6_evaluation"):
            page.get_by_text(group, exact=True).first.wait_for(timeout=60_000)
        page.goto(f"{page_url}/assets/vocabulary")
        page.get_by_text("Never materialized").first.wait_for(timeout=60_000)
        page.get_by_role("button", name="Materialize").first.click()
        page.get_by_text("Never materialized").first.wait_for(state="detached", timeout=MAX_RUN_MS)
        _open_again_until_shown(page, page.get_by_text("Cache", exact=True).first)
        page.screenshot(path=tmp_path / "green.png")
        assert page.get_by_text("Never materialized").count() == 0
        assert page.get_by_text("built: never materialised").count() >= 1
        page.goto(f"{page_url}/runs")
        page.get_by_text("Success").first.wait_for(timeout=60_000)
        browser.close()
