"""What is said of a run's assets."""

from __future__ import annotations

from clip_pipeline.errors import AnotherDataFolder, DiskError, RunFailedError
from clip_pipeline.pipeline.outcomes import AssetOutcome, skipped_sentence


def test_a_reason_that_is_a_sentence_itself_ends_with_one_full_stop():
    error = DiskError("The disk is full.", AnotherDataFolder("Free some space"))
    outcome = AssetOutcome("word_counts", failures={"0": error}, skipped={"1": f"the disk cannot be written: {error}"})
    skipped = skipped_sentence(outcome)
    assert skipped.endswith(
        "since the disk cannot be written: The disk is full. Free some space, or choose another data folder"
    )
    assert ".." not in RunFailedError(outcome.failures, [skipped]).text()
