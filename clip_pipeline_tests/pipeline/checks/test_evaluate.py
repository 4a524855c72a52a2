"""When checks are evaluated, what is remembered of them, and what a blocking one stops."""

from __future__ import annotations

import errno
from dataclasses import replace
from pathlib import Path

import pytest

from clip_pipeline.errors import RunFailedError
from clip_pipeline.pipeline.builder import BuildContext, Builder
from clip_pipeline.pipeline.checks.check import Check, CheckOutcome
from clip_pipeline.pipeline.checks.evaluate import REMEMBERED, check_artifact, checks_of, evaluate, forget_checks
from clip_pipeline.pipeline.graph import STEPS
from clip_pipeline.pipeline.outcomes import raise_failures
from clip_pipeline.pipeline.run import walk
from clip_pipeline.pipeline.step import Step
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.settings.recipes import find_recipe
from clip_pipeline.storage.manifest import Built
from clip_pipeline_tests.made.damage import KINDS, damage


def made_step(asset: str, words: int = 1, *inputs: str) -> Step:
    """The asset, with so many words in its manifest and a file that is empty."""

    def build(context: BuildContext) -> Built:
        (context.folder / "file.txt").write_text("")
        return Built(rows={"words": words}, facts={"dropped": {}})

    def read(workspace: Workspace, partition: str) -> dict[str, str]:
        return {name: workspace.get(name).content for name in inputs}

    return Step(STEPS[asset].asset, Builder(lambda workspace: {"words": words}, read, build))


@pytest.fixture
def workspace(tmp_path) -> Workspace:
    return Workspace(tmp_path / "data", find_recipe("tiny"))


def remembered(workspace: Workspace, words: int = 1, force: bool = False) -> list[bool]:
    """Whether each check of a vocabulary is remembered."""
    (outcome,) = walk(workspace, [made_step("vocabulary", words)], force=force)
    return [result.remembered for result in outcome.checks]


def test_a_walk_checks_what_it_built_once_and_remembers_what_it_found(workspace):
    assert remembered(workspace) == [False, False]
    assert remembered(workspace) == [True, True]
    assert list((workspace.store.root / REMEMBERED).rglob("*.json")) == [
        workspace.store.root / REMEMBERED / "words" / "vocabulary.json"
    ]


def test_a_new_build_other_settings_and_a_broken_memory_are_checked_again(workspace):
    remembered(workspace)
    assert remembered(workspace, force=True) == [False, False]
    (path,) = (workspace.store.root / REMEMBERED).rglob("*.json")
    path.write_text("{")
    assert remembered(workspace) == [False, False]
    other = replace(workspace.recipe, evaluation=replace(workspace.recipe.evaluation, seed=5))
    with Workspace(workspace.store.root, other) as later:
        assert remembered(later) == [False, False]
    assert remembered(workspace) == [False, False], "one outcome an artifact is kept: that of the last settings"


def test_a_blocking_check_stops_what_comes_after_but_not_its_siblings(workspace):
    steps = [made_step("vocabulary", 0), made_step("photo_catalog", 1, "vocabulary"), made_step("caption_corpus")]
    words, photos, captions = walk(workspace, steps)
    assert [result.check.name for result in words.failed_checks] == ["vocabulary_holds_words"]
    assert photos.skipped == {"": "the check vocabulary_holds_words of vocabulary failed"}
    assert captions.built == 1
    with pytest.raises(RunFailedError, match=r"vocabulary, the check vocabulary_holds_words: 0 words were kept"):
        raise_failures([words, photos, captions])


def test_a_remembered_failure_stops_again(workspace):
    steps = [made_step("vocabulary", 0), made_step("photo_catalog", 1, "vocabulary")]
    walk(workspace, steps)
    with Workspace(workspace.store.root, workspace.recipe) as later:
        words, photos = walk(later, steps)
    assert words.hits == 1 and words.checks[0].remembered and not photos.partitions


def test_without_checks_nothing_is_evaluated_or_stopped(workspace):
    steps = [made_step("vocabulary", 0), made_step("photo_catalog", 1, "vocabulary")]
    words, photos = walk(workspace, steps, checks=False)
    assert not words.checks and photos.built == 1
    assert not (workspace.store.root / REMEMBERED).exists()


def test_a_check_that_breaks_fails_with_the_reason_and_is_a_failure_of_the_artifact(workspace, caplog):
    def broken(workspace: Workspace, partition: str) -> CheckOutcome:
        raise ZeroDivisionError("no photos")

    check = Check("broken", "vocabulary", "Breaks.", True, broken)
    result = evaluate(workspace, check, STEPS["vocabulary"].key())
    assert result.stops and result.outcome.found == "could not be evaluated: ZeroDivisionError: no photos"
    assert caplog.records[0].exc_info
    missing = evaluate(workspace, checks_of("vocabulary")[0], STEPS["vocabulary"].key())
    assert "was never materialised" in missing.outcome.found


def test_a_full_disk_during_a_check_is_a_sentence(workspace, caplog):
    def full(workspace: Workspace, partition: str) -> CheckOutcome:
        raise OSError(errno.ENOSPC, "No space left on device")

    result = evaluate(workspace, Check("full", "vocabulary", "Fills.", True, full), STEPS["vocabulary"].key())
    assert (
        result.broke and "cannot be written" in result.outcome.found and "Look after the disks" in result.outcome.found
    )
    assert not caplog.records, "no traceback"


def test_a_check_sees_one_partition_with_the_settings_of_its_variant(workspace):
    seen: list[tuple[str, str]] = []

    def look(workspace: Workspace, partition: str) -> CheckOutcome:
        seen.append((partition, workspace.recipe.training.model))
        return CheckOutcome(True, "")

    check = Check("look", "clip_checkpoint", "Looks.", False, look)
    for variant in ("tiny_test", "sandbox_small"):
        evaluate(workspace, check, STEPS["clip_checkpoint"].key(variant))
    assert seen == [("tiny_test", "tiny_test"), ("sandbox_small", "sandbox_small")]


def test_what_was_found_goes_with_a_take_down(workspace):
    remembered(workspace)
    forget_checks(workspace.store)
    assert not (workspace.store.root / REMEMBERED).exists()


def test_a_damaged_shard_is_found_and_named_and_the_other_is_not_looked_at(tiny_data, tmp_path):
    import shutil

    data = Path(shutil.copytree(tiny_data, tmp_path / "data", copy_function=shutil.copy2))
    with Workspace(data, find_recipe("tiny")) as workspace:
        damaged = workspace.get("image_shards", "00001")
        tar = damaged.file("00001.tar")
        content = bytearray(tar.read_bytes())
        content[2000] ^= 1
        tar.write_bytes(content)
        shutil.rmtree(data / REMEMBERED)
        (check,) = [check for check in checks_of("image_shards") if check.blocking]
        outcomes = {key: check.function(workspace, key) for key in ("00000", "00001")}
    assert outcomes["00000"].passed and not outcomes["00001"].passed
    assert outcomes["00001"].found == "00001.tar differs from its manifest"


def test_the_whole_tiny_run_was_checked_by_partition(tiny_data):
    with Workspace(tiny_data, find_recipe("tiny")) as workspace:
        shards = check_artifact(workspace, workspace.get("image_shards", "00001"))
        scores = check_artifact(workspace, workspace.get("zero_shot_scores", "sandbox|tiny_test"))
    assert {result.name for result in shards} == {"image_shards[00001]"}
    assert all(result.remembered for result in [*shards, *scores])
    assert {result.check.name for result in scores} == {
        "perfect_classifier_scores_one", "predictions_belong_to_their_ids", "shuffled_labels_score_chance",
    }  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_memory_of_checks_is_not_believed_and_the_checks_are_made_again(workspace, kind):
    assert not any(remembered(workspace))
    (memory,) = (workspace.store.root / REMEMBERED).rglob("vocabulary.json")
    damage(memory, kind)
    assert not any(remembered(workspace))
    assert all(remembered(workspace))


def test_a_memory_of_checks_in_which_a_failure_was_changed_into_a_success_is_not_believed(workspace):
    remembered(workspace, words=0)
    (memory,) = (workspace.store.root / REMEMBERED).rglob("vocabulary.json")
    memory.write_text(memory.read_text().replace('"passed": false', '"passed": true'))
    assert not any(remembered(workspace, words=0))
