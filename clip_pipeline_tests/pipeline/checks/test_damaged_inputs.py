"""A build that fails on damaged bytes says so, and the next run mends them."""

from __future__ import annotations

import errno
import json

import pytest

from clip_pipeline.errors import DamagedArtifactError, PhotosError, SettingsError, UnavailableError
from clip_pipeline.pipeline.builder import BuildContext, Builder
from clip_pipeline.pipeline.checks import damaged_inputs
from clip_pipeline.pipeline.checks.damaged_inputs import may_be_damage
from clip_pipeline.pipeline.graph import STEPS
from clip_pipeline.pipeline.run import walk
from clip_pipeline.pipeline.step import Step
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.settings.recipes import find_recipe
from clip_pipeline.storage.manifest import Built
from clip_pipeline_tests.made.small_data import flip_bit


def write(context: BuildContext) -> Built:
    (context.folder / "words.json").write_text('{"words": 3}')
    return Built(rows={"words": 3}, facts={"dropped": {}})


def read(context: BuildContext) -> Built:
    words = json.loads(context.workspace.get("vocabulary").file("words.json").read_text())["words"]
    (context.folder / "captions.txt").write_text("x\n" * words)
    return Built()


VOCABULARY = Step(STEPS["vocabulary"].asset, Builder(lambda workspace: {}, lambda workspace, key: {}, write))


def corpus(version: str = "1") -> Step:
    def inputs(workspace: Workspace, partition: str) -> dict[str, str]:
        return {"vocabulary": workspace.get("vocabulary").content, "version": version}

    return Step(STEPS["caption_corpus"].asset, Builder(lambda workspace: {}, inputs, read))


@pytest.fixture
def workspace(tmp_path) -> Workspace:
    workspace = Workspace(tmp_path / "data", find_recipe("tiny"))
    walk(workspace, [VOCABULARY, corpus()], checks=False)
    return workspace


def test_a_build_that_fails_on_damaged_bytes_names_them_and_the_next_run_mends(workspace, caplog):
    flip_bit(workspace.get("vocabulary").file("words.json"), 3)  # as a disk does, so that a hit does not notice
    vocabulary, failed = walk(workspace, [VOCABULARY, corpus("2")], checks=False)
    assert vocabulary.hits == 1
    (error,) = failed.failures.values()
    assert isinstance(error, DamagedArtifactError)
    assert str(error).startswith(
        "caption_corpus failed since what it reads is damaged (vocabulary: words.json differs from its manifest)"
    )
    assert "Traceback" not in caplog.text
    mended = walk(workspace, [VOCABULARY, corpus("2")], checks=False)
    assert [(outcome.built, outcome.failures) for outcome in mended] == [(1, {}), (1, {})]


@pytest.mark.parametrize(
    ("problem", "may_be"),
    [
        (ValueError("x"), True),
        (OSError("Unexpected end of stream"), True),  # of pyarrow
        (OSError(errno.EIO, "Input/output error"), True),
        (OSError(errno.ENOSPC, "No space left"), False),
        (PhotosError("x"), True),
        (UnavailableError("x"), False),
        (SettingsError("x"), False),
    ],
)
def test_bytes_are_read_again_after_errors_that_damage_may_cause(problem, may_be):
    assert may_be_damage(problem) == may_be


def test_a_build_that_fails_by_itself_leaves_whole_inputs_alone(workspace, caplog):
    def fail(context: BuildContext) -> Built:
        context.workspace.get("vocabulary")
        raise ValueError("a fault of its own")

    broken = Step(STEPS["caption_corpus"].asset, Builder(lambda workspace: {"new": 1}, lambda workspace, key: {}, fail))
    vocabulary, failed = walk(workspace, [VOCABULARY, broken], checks=False)
    assert [str(error) for error in failed.failures.values()] == ["a fault of its own"]
    assert vocabulary.hits == 1 and workspace.get("vocabulary")
    assert "Traceback" in caplog.text


def test_what_is_too_large_to_be_looked_at_is_named(workspace, monkeypatch, caplog):
    flip_bit(workspace.get("vocabulary").file("words.json"), 3)
    monkeypatch.setattr(damaged_inputs, "MAX_BYTES", 3)
    (failed,) = walk(workspace, [corpus("2")], checks=False)
    assert not isinstance(failed.failures[""], DamagedArtifactError)
    assert "that caption_corpus read were not looked at, such as vocabulary" in caplog.text
    assert "clip-pipeline verify --deep" in caplog.text
