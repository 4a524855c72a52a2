"""kill -9 of a process of the page at a random moment of a backfill: one more backfill, and all is as if nothing had happened.

Thirty rounds take about half an hour, so it runs only when it is asked for: `make page-test`. CLIP_PIPELINE_KILLS=60 makes more of
them, CLIP_PIPELINE_TEST_SEED=1 others; one line a round is in kills.jsonl of the folder that CLIP_PIPELINE_PAGE_TEST names.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clip_pipeline_tests.browser.killable_page import Page
from clip_pipeline_tests.made.chance import TEST_SEED

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="processes are read from /proc"),
    pytest.mark.skipif("CLIP_PIPELINE_PAGE_TEST" not in os.environ, reason="takes half an hour: make page-test"),
]

ROUNDS = int(os.environ.get("CLIP_PIPELINE_KILLS", "30"))
MAX_SECONDS_TO_SETTLE = 60
"""After the second backfill: for the slots of pools to be free and every process of a run to be gone."""

SHARES = (1.0, 0.5, 0.25, 0.1)
"""Of the longest waits before a kill: a backfill may end before it, and then the round is made again with a shorter wait."""

SECONDS_UNTIL_SEEN = 120
"""For the page to show a folder that its sensor looks at every 30 s."""

RUN_KINDS = ("run worker", "step", "training")
KINDS = ("web server", "daemon", "code server", *RUN_KINDS)

CHAINS = {
    "photos": (["image_shards"], ["images/image_shards/00000", "images/image_shards/00001"]),
    "scores": (
        ["image_embeddings", "zero_shot_scores"],
        ["embedding/image_embeddings/held_out", "evaluation/zero_shot_scores/sandbox"],
    ),
    "training": (
        ["clip_checkpoint", "text_embeddings"],
        ["training/clip_checkpoint/tiny_test", "embedding/text_embeddings/held_out"],
    ),
}
"""Assets of a backfill, and what is removed before it from the data folder."""


def contents(data: Path) -> dict[str, str]:
    """The content hash of every artifact."""
    found = {path.parent: json.loads(path.read_text())["content"] for path in data.rglob("manifest.json")}
    return {str(folder.relative_to(data)): content for folder, content in found.items()}


def not_fresh_at_the_command_line(data: Path) -> list[str]:
    command = [sys.executable, "-m", "clip_pipeline", "status", "--json", "--recipe", "tiny", "--data", str(data)]
    said = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return [
        f"{one['asset']}[{one['partition']}] {one['state']}"
        for one in said
        if one["state"] not in ("fresh", "on request")
    ]


def wait_until_empty(look: Callable[[], Any], seconds: float) -> tuple[Any, float]:
    """What `look` last found, and the seconds until it found nothing."""
    began = time.monotonic()
    while (found := look()) and time.monotonic() - began < seconds:
        time.sleep(1)
    return found, round(time.monotonic() - began, 1)


def kill_one(page: Page, kind: str, backfill: str, chance: random.Random, share: float) -> str:
    """Kills a process of the kind at a random moment of the backfill. What was killed, "" where the backfill ended before.

    share: of the longest waits before it.
    """
    time.sleep(share * chance.uniform(0, 3 if kind in RUN_KINDS else 15))
    pause = share * chance.uniform(0, 3)
    while page.status(backfill) in ("REQUESTED", "COMPLETING"):
        if page.by_kind().get(kind):
            time.sleep(pause)
            if found := page.by_kind().get(kind):
                victim = chance.choice(found)
                os.kill(victim.number, signal.SIGKILL)
                return victim.command
            pause = pause / 2  # it was shorter than that
        time.sleep(0.1)
    return ""


def one_round(page: Page, kind: str, calm: dict[str, str], chance: random.Random, share: float) -> dict[str, Any]:
    """What was done and found; under "wrong" what should not be. Under "killed" is nothing where the backfill ended too soon."""
    name = "training" if kind == "training" else chance.choices(list(CHAINS), (4, 1, 1))[0]
    assets, folders = CHAINS[name]
    wrong, began = [page.ensure()], time.monotonic()
    for folder in folders:
        shutil.rmtree(page.data / folder)
    first = page.launch(assets)
    killed = kill_one(page, kind, first, chance, share)
    moment = round(time.monotonic() - began, 1)
    status_of_first, said = page.wait_for(first)
    wrong.append(said)
    ended = round(time.monotonic() - began, 1)
    status, said = page.wait_for(page.launch(assets))
    wrong.append(said)
    if status != "COMPLETED_SUCCESS":
        wrong.append(f"the second backfill ended {status}")
    slots, seconds_of_slots = wait_until_empty(page.occupied_slots, MAX_SECONDS_TO_SETTLE)
    runs, _ = wait_until_empty(page.unfinished_runs, MAX_SECONDS_TO_SETTLE)
    orphans, seconds_of_processes = wait_until_empty(
        lambda: {kind: found for kind, found in page.by_kind().items() if kind not in (*KINDS[:3], "helper")},
        MAX_SECONDS_TO_SETTLE,
    )
    stale = not_fresh_at_the_command_line(page.data)
    shown, seconds_of_page = wait_until_empty(page.not_fresh, SECONDS_UNTIL_SEEN)
    found = contents(page.data)
    changed = sorted(one for one in calm.keys() | found.keys() if calm.get(one) != found.get(one))
    for what, bad in (
        ("slots occupied", slots),
        ("runs without an end", runs),
        ("orphans", orphans),
        ("not fresh at the command line", stale),
        ("not fresh on the page", shown),
        ("other contents than those of the calm run", changed),
    ):
        if bad:
            wrong.append(f"{what}: {bad}")
    return {
        "kind": kind,
        "chain": name,
        "killed": killed[-60:],
        "after": moment,
        "first": status_of_first,
        "first ended after": ended,
        "second": status,
        "seconds": round(time.monotonic() - began, 1),
        "until slots were free": seconds_of_slots,
        "until processes were gone": seconds_of_processes,
        "until the page was fresh": seconds_of_page,
        "wrong": [one for one in wrong if one],
    }


def test_after_a_kill_at_any_moment_one_more_backfill_makes_everything_green(tiny_data, tmp_path):
    kept = Path(os.environ["CLIP_PIPELINE_PAGE_TEST"] or tmp_path)
    kept.mkdir(parents=True, exist_ok=True)
    data = shutil.copytree(tiny_data, tmp_path / "data", copy_function=shutil.copy2)
    calm, chance, wrong = contents(data), random.Random(TEST_SEED), []
    page = Page(data, tmp_path)
    try:
        for number in range(ROUNDS):
            if number % len(KINDS) == 0:
                kinds = chance.sample(KINDS, len(KINDS))
            for share in SHARES:
                done = one_round(page, kinds[number % len(KINDS)], calm, chance, share)
                with (kept / "kills.jsonl").open("a") as lines:
                    lines.write(json.dumps({"round": number, "seed": TEST_SEED, **done}, default=str) + "\n")
                if done["wrong"]:  # the next one begins as the first did
                    shutil.rmtree(data)
                    shutil.copytree(tiny_data, data, copy_function=shutil.copy2)
                wrong += [f"round {number}, {done['kind']} killed in {done['chain']}: {one}" for one in done["wrong"]]
                if done["killed"]:
                    break
            else:
                wrong.append(f"round {number}: no {done['kind']} was killed, the backfill ended too soon each time")
    finally:
        page.end()
    assert not wrong, "\n".join(wrong)
