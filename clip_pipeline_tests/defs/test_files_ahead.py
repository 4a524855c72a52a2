"""What *Materialize all* needs of the user's own files is looked at before its first asset is built."""

from __future__ import annotations

import pytest

dg = pytest.importorskip("dagster")

from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill  # noqa: E402

from clip_pipeline_tests.defs.automation.conftest import own, own_instance  # noqa: E402, F401
from clip_pipeline_tests.defs.conftest import load_definitions  # noqa: E402

ALL = ("wikipedia_dump", "word_counts", "vocabulary", "image_links", "photo_catalog", "benchmark_dataset")


@pytest.fixture
def build(own, own_instance, monkeypatch):  # noqa: F811
    """`build(assets, *settings, backfill=)` builds `assets` in a run, of a backfill of others where they are named; (the result, its
    messages)."""

    def building(assets: tuple[str, ...], *settings: str, backfill: tuple[str, ...] = (), partition: str | None = None):
        import os

        monkeypatch.setenv("CLIP_PIPELINE_SETTINGS", ";".join([os.environ["CLIP_PIPELINE_SETTINGS"], *settings]))
        definitions = load_definitions(monkeypatch)
        if backfill:
            keys = list(map(dg.AssetKey, backfill))
            whole = PartitionBackfill("all", BulkActionStatus.REQUESTED, False, {}, 0.0, asset_selection=keys)
            own_instance.add_backfill(whole)
        result = dg.materialize(
            list(definitions.assets),
            selection=dg.AssetSelection.assets(*assets),
            instance=own_instance,
            resources=definitions.resources,
            partition_key=partition,
            tags={"dagster/backfill": "all"} if backfill else {},
            raise_on_error=False,
        )
        messages = [entry.user_message for entry in own_instance.all_logs(result.run_id)]
        failed = [event.step_failure_data.error.to_string() for event in result.all_events if event.is_step_failure]
        return result.success, "\n".join(messages + failed)

    return building


def test_a_broken_list_ends_a_backfill_at_its_first_asset(build, tmp_path):
    success, said = build(("wikipedia_dump",), f"words.stop_words={tmp_path}/stop.txt", backfill=ALL)
    assert not success and "There is no file" in said and "stop.txt" in said
    assert not (tmp_path / "data" / "words" / "wikipedia_dump" / "manifest.json").exists()


def test_a_broken_dataset_stops_no_backfill_and_is_said(build, tmp_path):
    success, said = build(("wikipedia_dump",), f"evaluation.datasets=mine={tmp_path}/nothing", backfill=ALL)
    assert success and "The dataset mine will fail: There is no dataset" in said


def test_assets_of_one_run_are_looked_at_together(build, tmp_path):
    success, said = build(("wikipedia_dump", "vocabulary"), f"words.stop_words={tmp_path}/stop.txt")
    assert not success and "stop.txt" in said
    assert not (tmp_path / "data" / "words" / "wikipedia_dump" / "manifest.json").exists()


def test_an_asset_by_itself_and_those_after_the_first_look_at_nothing_ahead(build, own_instance, tmp_path):  # noqa: F811
    broken = f"words.stop_words={tmp_path}/stop.txt"
    assert build(("wikipedia_dump",), broken)[0], "of which the stop words are no part"
    own_instance.add_dynamic_partitions("datasets", ["digits"])
    later = ("benchmark_dataset",)
    success, said = build(later, broken, "evaluation.datasets=digits", backfill=ALL, partition="digits")
    assert success, said
