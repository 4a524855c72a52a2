"""What a walk does when something fails: the real assets of words and links, with builders that write next to nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from clip_pipeline.errors import (
    BudgetSpentError,
    ClipPipelineError,
    DiskError,
    MissingArtifactError,
    RunFailedError,
    SettingsError,
    SourceError,
    UnavailableError,
    may_pass,
)
from clip_pipeline.pipeline.builder import BuildContext, Builder
from clip_pipeline.pipeline.graph import STEPS
from clip_pipeline.pipeline.outcomes import AssetOutcome, PartitionDone, raise_failures, skipped_sentence
from clip_pipeline.pipeline.run import run_step, run_steps, walk
from clip_pipeline.pipeline.step import Step
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.settings.recipes import find_recipe
from clip_pipeline.storage.manifest import Built

Trouble = Callable[[str], None]


def no_trouble(partition: str) -> None:
    pass


def fails_for(partition: str, error: BaseException) -> Trouble:
    def trouble(tried: str) -> None:
        if tried == partition:
            raise error

    return trouble


def made_step(
    asset: str, inputs: Callable[[Workspace, str], dict[str, str]], trouble: Trouble = no_trouble, text: str = "one"
) -> Step:
    """The asset, built by writing `text` where there is no trouble; the text is its setting."""

    def build(context: BuildContext) -> Built:
        trouble(context.partition)
        (context.folder / "file.txt").write_text(f"{text} {context.partition}")
        return Built(rows={"words": 1})

    return Step(STEPS[asset].asset, Builder(lambda workspace: {"text": text}, inputs, build))


def vocabulary(trouble: Trouble = no_trouble, text: str = "one") -> Step:
    return made_step("vocabulary", lambda workspace, partition: {}, trouble, text)


def links(trouble: Trouble = no_trouble, text: str = "one") -> Step:
    """Four buckets, of the vocabulary."""
    return made_step(
        "image_links", lambda workspace, bucket: {"words": workspace.get("vocabulary").content}, trouble, text
    )


def catalog() -> Step:
    """Reads all buckets."""
    return made_step(
        "photo_catalog",
        lambda workspace, partition: {key: workspace.get("image_links", key).content for key in BUCKETS},
    )


def corpus() -> Step:
    """Depends on none of the others."""
    return made_step("caption_corpus", lambda workspace, partition: {})


BUCKETS = ["000", "001", "002", "003"]


@pytest.fixture
def workspace(tmp_path) -> Workspace:
    recipe = find_recipe("tiny")
    return Workspace(tmp_path / "data", replace(recipe, links=replace(recipe.links, buckets=len(BUCKETS))))


def test_one_bad_partition_stops_only_what_depends_on_it(workspace):
    bad = fails_for("001", SourceError("the host is gone."))
    outcomes = walk(workspace, [vocabulary(), links(bad), catalog(), corpus()], checks=False)
    words, found, photos, captions = outcomes
    assert words.built == captions.built == 1
    assert list(found.partitions) == ["000", "002", "003"], "the others were built, those after it too"
    assert (found.built, list(found.failures)) == (3, ["001"])
    assert (photos.built, photos.skipped) == (0, {"": "image_links[001] failed"})
    assert skipped_sentence(photos) == "photo_catalog skipped, since image_links[001] failed"


def test_the_run_fails_at_its_end_with_the_list(workspace):
    bad = fails_for("001", SourceError("The host is gone."))
    built: list[str] = []
    with pytest.raises(RunFailedError) as caught:
        run_steps(
            workspace,
            [vocabulary(), links(bad), catalog(), corpus()],
            checks=False,
            on_done=lambda outcome: built.append(outcome.asset),
        )
    assert built[-1] == "caption_corpus"
    assert str(caught.value).splitlines() == [
        "1 failure; what does not depend on it is done. The next run tries again what is missing.",
        "  image_links[001]: The host is gone.",
        "  photo_catalog skipped, since image_links[001] failed.",
    ]
    assert isinstance(caught.value.failures["image_links[001]"], SourceError)
    assert isinstance(caught.value.__cause__, SourceError)


def test_the_retry_of_a_failed_run_builds_only_what_failed(workspace):
    steps = [vocabulary(), links(fails_for("001", SourceError("gone"))), catalog()]
    walk(workspace, steps, checks=False)
    again = walk(workspace, [vocabulary(), links(), catalog()], checks=False)
    assert [outcome.built for outcome in again] == [0, 1, 1]


def test_what_an_earlier_run_left_of_a_failed_input_is_not_used(workspace):
    walk(workspace, [vocabulary(), links(), catalog()], checks=False)
    changed = fails_for("001", SourceError("gone"))
    with Workspace(workspace.store.root, workspace.recipe) as later:
        outcomes = walk(later, [vocabulary(), links(changed, "two"), catalog()], checks=False)
    assert outcomes[1].built == 3 and not outcomes[2].partitions
    assert outcomes[2].skipped == {"": "image_links[001] failed"}, "the old links of 001 are still there, and stale"


def test_nothing_of_an_asset_is_built_whose_input_failed_and_the_sentence_says_how_many(workspace):
    (_, found) = walk(workspace, [vocabulary(fails_for("", SettingsError("no"))), links()], checks=False)
    assert found.skipped == dict.fromkeys(BUCKETS, "vocabulary failed")
    assert skipped_sentence(found) == "image_links skipped, such as 000, since vocabulary failed"


def test_partitions_that_cannot_be_known_are_one_failure(workspace):
    outcomes = walk(workspace, [STEPS["word_counts"], STEPS["vocabulary"], corpus()])
    assert isinstance(outcomes[0].failures[""], MissingArtifactError)
    assert outcomes[2].built == 1
    with pytest.raises(RunFailedError, match="wikipedia_dump is needed and was never materialised"):
        raise_failures(outcomes)


def test_ctrl_c_stops_at_once(workspace):
    tried: list[str] = []

    def interrupt(partition: str) -> None:
        tried.append(partition)
        if partition == "001":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        walk(workspace, [vocabulary(), links(interrupt), corpus()], checks=False)
    assert tried == ["000", "001"]
    assert workspace.store.find(corpus().key()) is None


def test_ctrl_c_stops_at_once_too_where_the_clean_up_after_it_meets_a_full_disk(workspace):
    def interrupt(partition: str) -> None:
        try:
            raise KeyboardInterrupt
        finally:
            raise DiskError("The disk is full.")

    with pytest.raises(KeyboardInterrupt):
        walk(workspace, [vocabulary(), links(interrupt)], checks=False)


def test_a_full_disk_ends_the_asset(workspace):
    tried: list[str] = []

    def full(partition: str) -> None:
        tried.append(partition)
        raise DiskError("The disk is full.")

    (_, found) = walk(workspace, [vocabulary(), links(full)], checks=False)
    assert tried == ["000"] and list(found.failures) == ["000"] and list(found.skipped) == BUCKETS[1:]


def test_an_error_that_nobody_foresaw_stops_no_other_partition_and_leaves_its_traceback(workspace, caplog):
    (_, found) = walk(workspace, [vocabulary(), links(fails_for("001", ZeroDivisionError("x")))], checks=False)
    assert found.built == 3
    (record,) = [record for record in caplog.records if "image_links[001] failed" in record.getMessage()]
    assert record.exc_info


# ---- trying again


def test_what_the_network_refuses_is_tried_again_three_times(workspace):
    run_step(workspace, vocabulary(), [""], checks=False)
    left, slept = [UnavailableError("slow"), UnavailableError("slow")], []

    def flaky(partition: str) -> None:
        if partition == "001" and left:
            raise left.pop()

    done = run_step(workspace, links(flaky), BUCKETS, checks=False, sleep=slept.append)
    assert done.built == 4 and not done.failures
    assert len(slept) == 2 and 5 <= slept[0] <= 10 and 10 <= slept[1] <= 20


def test_with_the_network_down_only_the_first_partition_is_waited_for(workspace):
    run_step(workspace, vocabulary(), [""], checks=False)
    tried, slept = [], []

    def down(partition: str) -> None:
        tried.append(partition)
        raise UnavailableError("down")

    done = run_step(workspace, links(down), BUCKETS, checks=False, waits=(1, 2, 4), sleep=slept.append)
    assert list(done.failures) == BUCKETS
    assert tried == ["000"] * 4 + ["001", "002", "003"] and len(slept) == 3


@pytest.mark.parametrize("error", [MissingArtifactError, SettingsError, SourceError, BudgetSpentError])
def test_what_another_try_does_not_mend_is_tried_once(workspace, error):
    assert not may_pass(error("x"))
    run_step(workspace, vocabulary(), [""], checks=False)
    done = run_step(workspace, links(fails_for("001", error("x"))), BUCKETS, checks=False, sleep=_must_not_sleep)
    assert list(done.failures) == ["001"]


def test_an_asset_that_does_not_use_the_network_is_tried_once(workspace):
    done = run_step(
        workspace, vocabulary(fails_for("", UnavailableError("x"))), [""], checks=False, sleep=_must_not_sleep
    )
    assert list(done.failures) == [""]


def _must_not_sleep(seconds: float) -> None:
    raise AssertionError(f"slept for {seconds} s")


# ---- progress


def test_progress_counts_hits_but_measures_the_rate_of_what_was_built(workspace):
    seen: list[PartitionDone] = []
    run_step(workspace, vocabulary(), [""], checks=False)
    run_step(workspace, links(), BUCKETS[:2], checks=False)
    run_step(workspace, links(), BUCKETS, checks=False, on_partition=seen.append)
    assert [(done.partition, done.done, done.total) for done in seen] == [
        (key, number, 4) for number, key in enumerate(BUCKETS, start=1)
    ]
    assert [done.materialised.hit for done in seen if done.materialised] == [True, True, False, False]
    assert [done.per_minute is None for done in seen] == [True, True, False, False]
    assert seen[1].pace == "2 of 4 partitions"
    assert seen[-1].minutes_left == 0
    assert seen[-1].pace.startswith("4 of 4 partitions, ") and seen[-1].pace.endswith(" a minute, 0 seconds left")


def test_failures_and_skips_are_told_as_they_happen(workspace):
    seen: list[PartitionDone] = []
    error = SourceError("gone")
    walk(
        workspace,
        [vocabulary(), links(fails_for("001", error)), catalog()],
        checks=False,
        on_partition=seen.append,
    )
    assert [done.error for done in seen] == [None, None, error, None, None, None]
    assert seen[-1].skipped == "image_links[001] failed"


# ---- the sentence at the end


def test_of_many_failures_ten_are_listed():
    outcome = AssetOutcome(
        "image_shards", failures={f"{number:05d}": ClipPipelineError("Gone.") for number in range(12)}
    )
    with pytest.raises(RunFailedError) as caught:
        raise_failures([outcome])
    lines = str(caught.value).splitlines()
    assert lines[0].startswith("12 failures; ")
    assert lines[-2:] == ["  image_shards[00009]: Gone.", "  and 2 more"]
    assert len(caught.value.failures) == 12


def test_a_single_failure_is_its_sentence_alone():
    with pytest.raises(RunFailedError) as caught:
        raise_failures([AssetOutcome("vocabulary", failures={"": SettingsError("words.min_count is -1.")})])
    assert str(caught.value) == "vocabulary: words.min_count is -1."


def test_a_file_that_cannot_be_opened_is_named():
    with pytest.raises(RunFailedError, match=r"vocabulary: /x/y: Not a directory\. Check the path"):
        raise_failures([AssetOutcome("vocabulary", failures={"": NotADirectoryError(20, "Not a directory", "/x/y")})])


def test_some_skipped_of_several_are_counted_with_one_of_them(tmp_path):
    outcome = AssetOutcome("zero_shot_scores", failures={"b": SourceError("x")}, skipped={"a": "benchmark_dataset[a] failed", "c": "…"})  # fmt: skip
    assert skipped_sentence(outcome) == "zero_shot_scores skipped 2 of 3, such as a, since benchmark_dataset[a] failed"
    assert skipped_sentence(AssetOutcome("zero_shot_scores")) == ""


def test_pieces_of_work_on_disk_are_not_left_by_a_failure(workspace):
    walk(workspace, [vocabulary(), links(fails_for("001", SourceError("gone")))], checks=False)
    assert not (Path(workspace.store.root) / "images/image_links/001").exists()
