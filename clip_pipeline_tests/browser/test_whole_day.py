"""A day on the page, from an empty folder: everything, again, a variant, a dataset, a broken one, a changed profile.

Takes about ten minutes, so it runs only when it is asked for: `make page-test`. The screenshots are kept beside its log.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from clip_pipeline_tests.browser.served_page import CHROMIUM, FLAGS, ask, needs_chromium, open_page, quick_daemon

playwright = pytest.importorskip("playwright.sync_api")

pytestmark = [
    needs_chromium,
    pytest.mark.skipif("CLIP_PIPELINE_PAGE_TEST" not in os.environ, reason="takes ten minutes: make page-test"),
]

MAX_BACKFILL_SECONDS = 1500


class Day:
    """The page, its browser, and what is asked of both."""

    def __init__(self, url: str, page, shots: Path):
        self.url, self.page, self.shots = url, page, shots

    def shot(self, name: str) -> None:
        self.page.wait_for_timeout(2_000)
        self.page.screenshot(path=self.shots / f"{name}.png")

    def materialize_all(self) -> None:
        self.page.goto(f"{self.url}/asset-groups")
        self.page.get_by_role("button", name="Materialize all").click(timeout=60_000)
        self.page.get_by_role("button", name="Launch backfill").click(timeout=60_000)

    def add_partition(self, asset: str, key: str) -> None:
        """By the dialog of the asset's page, as people do."""
        self.page.goto(f"{self.url}/assets/{asset}")
        self.page.get_by_role("button", name="Materialize").first.click(timeout=60_000)
        name = self.page.get_by_placeholder("name")
        for _ in range(12):  # the asset's description says these words too, and stands before the dialog
            self.page.get_by_text("Add a partition").last.click(timeout=60_000)
            self.page.wait_for_timeout(5_000)
            if name.count():
                break
        name.fill(key)
        self.shot(f"add_{asset}")
        self.page.get_by_role("button", name="Save").click()
        self.page.wait_for_timeout(2_000)
        self.page.get_by_role("button", name="Cancel").last.click()

    def backfill(self, assets: list[str], partitions: list[str] | None = None) -> None:
        chosen = {"partitionNames": partitions} if partitions else {"allPartitions": True}
        query = """mutation($p:LaunchBackfillParams!){launchPartitionBackfill(backfillParams:$p){
            __typename ... on PythonError{message}}}"""
        asked = {"assetSelection": [{"path": [asset]} for asset in assets], "tags": [], **chosen}
        answer = ask(self.url, query, p=asked)["launchPartitionBackfill"]
        assert answer["__typename"] == "LaunchBackfillSuccess", answer

    def last_backfill(self) -> dict:
        """Waits for its end."""
        query = """{partitionBackfillsOrError(limit:1){... on PartitionBackfills{results{id status assetBackfillData{
            assetBackfillStatuses{... on AssetPartitionsStatusCounts{assetKey{path} numPartitionsMaterialized
            numPartitionsFailed numPartitionsTargeted} ... on UnpartitionedAssetStatus{assetKey{path} materialized}}}}}}}"""
        self.page.wait_for_timeout(3_000)
        deadline = time.monotonic() + MAX_BACKFILL_SECONDS
        while time.monotonic() < deadline:
            (found,) = ask(self.url, query)["partitionBackfillsOrError"]["results"]
            if found["status"] not in ("REQUESTED", "COMPLETING"):
                return found
            time.sleep(2)
        raise AssertionError(f"no end of {found}")

    def statuses(self) -> dict[str, str]:
        """FRESH, STALE or MISSING of every asset or partition: `status` of the page."""
        query = """{assetNodes{assetKey{path} isExecutable isPartitioned staleStatus
            partitionKeys}}"""
        of_partition = """query($k:AssetKeyInput!,$p:String){assetNodeOrError(assetKey:$k){... on AssetNode{
            staleStatus(partition:$p)}}}"""
        found = {}
        for node in ask(self.url, query)["assetNodes"]:
            (name,) = node["assetKey"]["path"]
            if not node["isExecutable"]:
                continue
            if not node["isPartitioned"]:
                found[f"{name}[]"] = node["staleStatus"]
            for key in node["partitionKeys"]:
                one = ask(self.url, of_partition, k={"path": [name]}, p=key)["assetNodeOrError"]
                found[f"{name}[{key}]"] = one["staleStatus"]
        return found

    def runs(self) -> list[dict]:
        query = "{runsOrError(limit:500){... on Runs{results{runId status}}}}"
        return ask(self.url, query)["runsOrError"]["results"]

    def metadata(self, asset: str) -> list[str]:
        query = """query($k:AssetKeyInput!){assetNodeOrError(assetKey:$k){... on AssetNode{
            assetMaterializations(limit:1){metadataEntries{label}}}}}"""
        (event,) = ask(self.url, query, k={"path": [asset]})["assetNodeOrError"]["assetMaterializations"]
        return [entry["label"] for entry in event["metadataEntries"]]


def command_line_states(profile: Path, data: Path) -> dict[str, str]:
    """`clip-pipeline status`, by asset and partition."""
    command = [sys.executable, "-m", "clip_pipeline", "status", "--json", "--recipe", profile, "--data", data]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True)
    return {f"{one['asset']}[{one['partition']}]": one["state"] for one in json.loads(done.stdout)}


def assert_they_agree(day: Day, profile: Path, data: Path) -> dict[str, str]:
    """Page and command line call the same fresh, once the page has looked at the folder."""
    said = command_line_states(profile, data)
    deadline = time.monotonic() + 120
    while True:
        shown = day.statuses()
        both = {key for key in said if said[key] not in ("on request", "old")} & set(shown)
        apart = {key: (said[key], shown[key]) for key in both if (said[key] == "fresh") != (shown[key] == "FRESH")}
        if not apart or time.monotonic() > deadline:
            break
        time.sleep(5)
    assert not apart
    return said


def test_a_day_on_the_page(tmp_path):
    shots = Path(os.environ["CLIP_PIPELINE_PAGE_TEST"] or tmp_path)
    shots.mkdir(parents=True, exist_ok=True)
    profile, data = tmp_path / "mine.toml", tmp_path / "data"
    profile.write_text('recipe = "tiny"\n')
    with (
        open_page(str(profile), data, tmp_path, quick_daemon(tmp_path / "quick")) as url,
        playwright.sync_playwright() as browsers,
    ):
        browser = browsers.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        day = Day(url, browser.new_page(viewport={"width": 1600, "height": 1000}), shots)

        day.materialize_all()
        assert day.last_backfill()["status"] == "COMPLETED_SUCCESS"
        assert {run["status"] for run in day.runs()} == {"SUCCESS"}
        day.page.goto(f"{url}/asset-groups")
        day.shot("1_all_green")
        said = assert_they_agree(day, profile, data)
        assert set(said.values()) <= {"fresh", "on request"}

        before = {path: path.stat().st_mtime_ns for path in data.rglob("manifest.json")}
        day.materialize_all()
        assert day.last_backfill()["status"] == "COMPLETED_SUCCESS"
        assert {path: path.stat().st_mtime_ns for path in data.rglob("manifest.json")} == before, "a wave of hits"
        assert_they_agree(day, profile, data)

        day.add_partition("clip_checkpoint", "learning_rate=0.002")
        day.add_partition("benchmark_dataset", "digits")
        day.backfill(["benchmark_dataset"], ["digits"])
        assert day.last_backfill()["status"] == "COMPLETED_SUCCESS"
        day.backfill(["clip_checkpoint", "embedding_runtime"], ["learning_rate=0.002"])
        assert day.last_backfill()["status"] == "COMPLETED_SUCCESS"
        of_both = [
            f"{dataset}|{variant}"
            for dataset in ("digits", "held_out", "sandbox")
            for variant in ("learning_rate=0.002", "tiny_test")
        ]
        chain = ["image_embeddings", "text_embeddings", "zero_shot_scores", "retrieval_scores", "probe_scores"]
        day.backfill(chain, of_both)
        assert day.last_backfill()["status"] == "COMPLETED_SUCCESS"
        day.backfill(["benchmark_report"])
        assert day.last_backfill()["status"] == "COMPLETED_SUCCESS"
        labels = " ".join(day.metadata("benchmark_report"))
        assert "digits" in labels and "learning_rate=0.002" in labels, labels
        day.page.goto(f"{url}/assets/benchmark_report")
        day.shot("2_report_of_two_variants")
        assert_they_agree(day, profile, data)

        broken = tmp_path / "mine"
        broken.mkdir()
        (data / "datasets").mkdir(exist_ok=True)
        (data / "datasets" / "mine.toml").write_text(f'dataset = "mine={broken}"\n')
        _wait_for_key(day, "benchmark_dataset", "mine")
        day.backfill(["benchmark_dataset"])
        done = day.last_backfill()
        (counts,) = done["assetBackfillData"]["assetBackfillStatuses"]
        assert (counts["numPartitionsMaterialized"], counts["numPartitionsFailed"]) == (3, 1), counts
        day.page.goto(f"{url}/assets/benchmark_dataset?view=partitions")
        day.shot("3_three_green_one_red")
        for color in ("red", "blue"):
            (broken / color).mkdir()
            Image.new("RGB", (32, 32), color).save(broken / color / "a.png")
        day.backfill(["benchmark_dataset"], ["mine"])
        assert day.last_backfill()["status"] == "COMPLETED_SUCCESS"

        profile.write_text('recipe = "tiny"\n\n[words]\nmin_count = 30\n')
        ask(url, "mutation{reloadWorkspace{__typename}}")
        time.sleep(5)
        said = assert_they_agree(day, profile, data)
        assert said["vocabulary[]"] == "stale" and said["wikipedia_dump[]"] == "fresh"
        day.page.goto(f"{url}/assets/vocabulary")
        day.shot("4_profile_changed")
        browser.close()


def _wait_for_key(day: Day, asset: str, key: str) -> None:
    """The sensor looks at the data folder every half minute."""
    deadline = time.monotonic() + 180
    while key not in _keys(day, asset):
        assert time.monotonic() < deadline, f"the page never heard of {key}"
        time.sleep(2)


def _keys(day: Day, asset: str) -> list[str]:
    query = "query($k:AssetKeyInput!){assetNodeOrError(assetKey:$k){... on AssetNode{partitionKeys}}}"
    return ask(day.url, query, k={"path": [asset]})["assetNodeOrError"]["partitionKeys"]
