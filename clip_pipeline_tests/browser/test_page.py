"""The Dagster page in a real browser: the graph is there, and an asset that is materialised turns green.

Needs Chromium (`apt-get install chromium`) and the `dev` extra; `defs/test_definitions.py` runs the same definitions without.
"""

from __future__ import annotations

import shutil

import pytest

from clip_pipeline_tests.browser.served_page import CHROMIUM, FLAGS, needs_chromium, open_page

playwright = pytest.importorskip("playwright.sync_api")

MAX_RUN_MS = 120_000

pytestmark = needs_chromium


@pytest.fixture
def page_url(tiny_data, tmp_path):
    """A page on a copy of the tiny artifacts, of which one is not there."""
    data = shutil.copytree(tiny_data, tmp_path / "data", copy_function=shutil.copy2)
    shutil.rmtree(data / "text" / "caption_corpus")
    with open_page("tiny", data, tmp_path) as url:
        yield url


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
        page.goto(f"{page_url}/assets/wikipedia_dump")
        page.get_by_text("Cache", exact=True).first.wait_for(timeout=60_000)
        assert page.get_by_text("Never materialized").count() == 0, (
            "what lies in the data folder is known from the start"
        )
        page.goto(f"{page_url}/assets/caption_corpus")
        page.get_by_text("Never materialized").first.wait_for(timeout=60_000)
        page.get_by_role("button", name="Materialize").first.click()
        page.get_by_text("Never materialized").first.wait_for(state="detached", timeout=MAX_RUN_MS)
        _open_again_until_shown(page, page.get_by_text("Cache", exact=True).first)
        page.screenshot(path=tmp_path / "green.png")
        assert page.get_by_text("Never materialized").count() == 0
        assert page.get_by_text("built: never materialised").count() >= 1, "why it was built"
        page.goto(f"{page_url}/runs")
        page.get_by_text("Success").first.wait_for(timeout=60_000)
        browser.close()
