"""The whole sandbox pipeline at tiny size: twice, changed, killed, by two at once."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from clip_pipeline.pipeline.checks.integrity import CHECKS
from clip_pipeline.pipeline.graph import STEPS, select
from clip_pipeline.pipeline.run import run_steps
from clip_pipeline.pipeline.status import pipeline_status
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.settings import Recipe, with_settings
from clip_pipeline.settings.recipes import find_recipe
from clip_pipeline_tests.made.chance import TEST_SEED
from clip_pipeline_tests.made.warm_python import run_python, start_python

TINY = find_recipe("tiny")
WITHOUT_TRAINING = ["words", "image_links", "photo_catalog", "image_shards", "image_text_pairs", "text"]


def built(folder: Path, recipe: Recipe = TINY, selection: str = "") -> dict[str, list[str]]:
    """Runs, and returns the partitions that were built, not the hits, by asset."""
    with Workspace(folder, recipe) as workspace:
        outcomes = run_steps(workspace, select(selection))
    return {
        outcome.asset: [key for key, materialised in outcome.partitions.items() if not materialised.hit]
        for outcome in outcomes
        if outcome.built
    }


def contents(folder: Path) -> dict[str, str]:
    """Content hash of every artifact."""
    manifests = sorted(path for path in folder.rglob("manifest.json") if ".staging" not in path.parts)
    return {str(path.parent.relative_to(folder)): json.loads(path.read_text())["content"] for path in manifests}


@pytest.fixture
def copy_of_tiny(tiny_data, tmp_path) -> Path:
    return Path(shutil.copytree(tiny_data, tmp_path / "data", copy_function=shutil.copy2))


def run_command(folder: Path, *more: str) -> list[str]:
    return ["-m", "clip_pipeline", "run", "--recipe", "tiny", "--data", str(folder), "--no-history", *more]


def test_a_second_run_hits_everything_and_does_not_start_the_sandbox(tiny_data):
    with Workspace(tiny_data, TINY) as workspace:
        outcomes = run_steps(workspace, select(""))
        assert sum(outcome.built for outcome in outcomes) == 0
        assert {outcome.asset for outcome in outcomes if outcome.hits} == {step.name for step in select("")}
        assert workspace._world.running is None


def test_every_check_of_integrity_holds(tiny_data):
    with Workspace(tiny_data, TINY) as workspace:
        for check in CHECKS:
            if STEPS[check.asset].asset.on_request:  # not of this run
                continue
            for partition in STEPS[check.asset].partitions(workspace):
                outcome = check.function(workspace, partition)
                assert outcome.passed or not check.blocking, f"{check.name}, {partition}: {outcome.found}"


def test_another_run_elsewhere_gives_the_same_bytes_whatever_the_worker_counts(tiny_data, tmp_path):
    other = with_settings(TINY, ["compute.workers=1", "download.connections=3"])
    built(tmp_path, other, "image_text_pairs,+bpe_tokenizer")
    there = contents(tmp_path)
    here = contents(tiny_data)
    assert there
    assert there == {name: here[name] for name in there}


def test_a_changed_setting_makes_only_that_stale_which_depends_on_it(tiny_data):
    with Workspace(tiny_data, with_settings(TINY, ["evaluation.bootstrap_samples=101"])) as workspace:
        statuses = pipeline_status(workspace, list(STEPS.values()))
    scores = {"zero_shot_scores", "retrieval_scores", "probe_scores"}
    assert {one.asset for one in statuses if one.state == "stale"} == scores | {
        "adaptation_scores",
        "adaptation_curves",
        "benchmark_report",
    }


def test_a_changed_setting_recomputes_only_what_depends_on_it(copy_of_tiny):
    recipe = with_settings(TINY, ["evaluation.bootstrap_samples=101"])
    assert set(built(copy_of_tiny, recipe, "+zero_shot_scores,+retrieval_scores")) == {
        "zero_shot_scores",
        "retrieval_scores",
    }


def test_an_input_recomputed_to_the_same_bytes_stops_the_wave(copy_of_tiny):
    with Workspace(copy_of_tiny, TINY) as workspace:
        forced = run_steps(workspace, select("word_counts"), force=True)
        assert forced[0].built == 2
    assert built(copy_of_tiny) == {}


@pytest.mark.slow
def test_a_deleted_file_is_made_again(copy_of_tiny):
    (copy_of_tiny / "images/image_shards/00001/00001.tar").unlink()
    assert built(copy_of_tiny) == {"image_shards": ["00001"]}


def test_status_says_what_is_stale_and_why(copy_of_tiny):
    recipe = with_settings(TINY, ["words.min_count=21"])
    with Workspace(copy_of_tiny, recipe) as workspace:
        statuses = {
            (status.asset, status.partition): status for status in pipeline_status(workspace, list(STEPS.values()))
        }
    assert statuses[("vocabulary", "")].state == "stale"
    assert statuses[("vocabulary", "")].why == "the setting min_count changed from 20 to 21"
    assert statuses[("word_counts", "part-000")].state == "fresh"


def test_status_of_an_empty_folder_names_what_is_missing(tmp_path):
    with Workspace(tmp_path, TINY) as workspace:
        statuses = pipeline_status(workspace, list(STEPS.values()))
    assert {status.state for status in statuses} == {"missing", "waiting", "on request"}


def test_killed_again_and_again_a_run_ends_with_the_bytes_of_an_undisturbed_one(tiny_data, tmp_path):
    folder = tmp_path / "data"
    artifacts = len(contents(tiny_data))
    chance = random.Random(TEST_SEED)
    for share in (0.0, 0.1, 0.3, 0.5, 0.8):
        process = start_python(run_command(folder))
        while _manifests(folder) < share * artifacts and process.poll() is None:
            time.sleep(0.05)
        time.sleep(chance.uniform(0.1, 0.5))
        process.kill()
        assert process.wait() == -signal.SIGKILL, "it was done before it could be killed"
    ended = run_python(run_command(folder))
    assert ended.returncode == 0, ended.stderr
    assert contents(folder) == contents(tiny_data)


def _manifests(folder: Path) -> int:
    """How many there are. Unlike `rglob`, this walk does not mind a folder that is put in its place meanwhile."""
    return sum("manifest.json" in files for _, _, files in os.walk(folder))


def test_two_runs_at_once_take_turns_and_damage_nothing(tiny_data, tmp_path):
    folder = tmp_path / "data"
    selection = ("--select", "+image_text_pairs")
    with ThreadPoolExecutor(2) as threads:
        ended = list(threads.map(run_python, [run_command(folder, *selection)] * 2))
    assert [one.returncode for one in ended] == [0, 0], ended
    here, there = contents(tiny_data), contents(folder)
    assert there == {name: here[name] for name in there}
    assert "waiting until it is done" in ended[0].stderr + ended[1].stderr


def test_another_seed_is_another_world(tiny_data, tmp_path):
    recipe = with_settings(TINY, ["sandbox.seed=1"])
    built(tmp_path, recipe, "words,image_links,photo_catalog")
    here, there = contents(tiny_data), contents(tmp_path)
    assert there["images/photo_catalog"] != here["images/photo_catalog"]
    assert there["words/word_counts/part-000"] != here["words/word_counts/part-000"]
