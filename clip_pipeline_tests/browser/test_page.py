"""The Dagster page in a real browser: the graph is there, and an asset that is materialised turns green.

Needs Chromium (`apt-get install chromium`) and the `dev` extra; `defs/test_definitions.py` runs the same definitions without.
"""

from __future__ import annotations

import html
import json
import shutil
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from clip_pipeline_tests.browser.served_page import CHROMIUM, FLAGS, ask, needs_chromium, open_page

playwright = pytest.importorskip("playwright.sync_api")

MAX_RUN_MS = 120_000

pytestmark = needs_chromium


LAUNCH = """mutation{launchPartitionBackfill(backfillParams:{assetSelection:[{path:["caption_corpus"]}],allPartitions:true,tags:[]}){
__typename}}"""
LAUNCHED = "{partitionBackfillsOrError{... on PartitionBackfills{results{id}}} runsOrError{... on Runs{results{id}}}}"

FOREIGN_PAGE = """<!DOCTYPE html><title>a page of somebody else</title><script>
const target = TARGET, body = JSON.stringify({query: MUTATION}), said = {};
async function attempt(name, act) { try { said[name] = await act(); } catch (error) { said[name] = "refused"; } }
const post = (options) => async () => "status " + (await fetch(target + "/graphql", {method: "POST", body, ...options})).status;
const socket = () => new Promise((done) => {
  const one = new WebSocket(target.replace("http", "ws") + "/graphql", "graphql-ws");
  one.onopen = () => done("open"); one.onerror = () => done("refused");
});
(async () => {
  await attempt("json", post({headers: {"Content-Type": "application/json"}}));
  await attempt("text", post({headers: {"Content-Type": "text/plain"}}));
  await attempt("no-cors", async () => (await post({mode: "no-cors"})(), "refused"));
  await attempt("beacon", async () => (navigator.sendBeacon(target + "/graphql", body), "refused"));
  await attempt("get", async () => "status " + (await fetch(target + "/graphql?query=" + encodeURIComponent(MUTATION))).status);
  await attempt("look", async () => "status " + (await fetch(target + "/server_info")).status);
  await attempt("socket", socket);
  const image = new Image(); image.src = target + "/graphql?query=" + encodeURIComponent(MUTATION);
  const frame = document.createElement("iframe"); frame.src = target + "/runs"; document.documentElement.append(frame);
  frame.onload = () => { window.said = said; };
})();
</script><form id=form method=post enctype="text/plain"><input name="BODY" value=""></form>"""


@pytest.fixture(scope="module")
def page_url(tiny_data, tmp_path_factory):
    """A page on a copy of the tiny artifacts, of which one is not there."""
    folder = tmp_path_factory.mktemp("page")
    data = shutil.copytree(tiny_data, folder / "data", copy_function=shutil.copy2)
    shutil.rmtree(data / "text" / "caption_corpus")
    with open_page("tiny", data, folder) as url:
        yield url


@pytest.fixture
def foreign_page(page_url):
    """The address of somebody else's page, which tries all that a page can try."""
    form = json.dumps({"query": LAUNCH})[:-1] + ',"x":"'
    content = FOREIGN_PAGE.replace("TARGET", json.dumps(page_url)).replace("MUTATION", json.dumps(LAUNCH))
    content = content.replace("BODY", html.escape(form)).replace('value=""', "value='\"}'")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(content.encode())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://localhost:{server.server_port}/"
        server.shutdown()


def test_a_foreign_page_launches_nothing_and_reads_nothing(page_url, foreign_page):
    before = ask(page_url, LAUNCHED)
    with playwright.sync_playwright() as browsers:
        browser = browsers.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page()
        page.goto(foreign_page)
        page.wait_for_function("window.said", timeout=60_000)
        assert set(page.evaluate("window.said").values()) == {"refused"}
        page.evaluate(f"form.action = {json.dumps(page_url)} + '/graphql'; form.submit()")
        page.wait_for_url("**/graphql", timeout=60_000)
        assert "comes from the page" in page.inner_text("body")
        rebound = browsers.chromium.launch(
            executable_path=CHROMIUM, args=[*FLAGS, "--host-resolver-rules=MAP evil.example 127.0.0.1"]
        )
        other = rebound.new_page()
        other.goto(page_url.replace("127.0.0.1", "evil.example"))
        assert "This server answers to localhost" in other.inner_text("body")
        rebound.close()
        browser.close()
    assert ask(page_url, LAUNCHED) == before


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
