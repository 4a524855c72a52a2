"""The page and `clip-pipeline status` agree, whoever built what."""

from __future__ import annotations

import shutil

import pytest

dg = pytest.importorskip("dagster")

from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus  # noqa: E402
from dagster._core.loader import LoadingContextForTest  # noqa: E402

from clip_pipeline.errors import StoreError  # noqa: E402
from clip_pipeline.pipeline.graph import STEPS  # noqa: E402
from clip_pipeline.pipeline.run import run_steps  # noqa: E402
from clip_pipeline.pipeline.status import pipeline_status  # noqa: E402
from clip_pipeline.pipeline.workspace import Workspace  # noqa: E402
from clip_pipeline.settings import with_settings  # noqa: E402
from clip_pipeline.settings.recipes import find_recipe  # noqa: E402


def recipe(*settings):
    return with_settings(find_recipe("tiny"), settings)


def disagreements(definitions, instance, workspace):
    """(asset, partition, state of the store, status of the page) where one says fresh and the other does not."""
    page = CachingStaleStatusResolver(instance, definitions.resolve_asset_graph(), LoadingContextForTest(instance))
    found = []
    for status in pipeline_status(workspace, list(STEPS.values())):
        if status.state == "on request":
            continue
        shown = page.get_status(dg.AssetKey(status.asset), status.partition or None)
        if (status.state == "fresh") != (shown == StaleStatus.FRESH):
            causes = [
                cause.reason for cause in page.get_stale_causes(dg.AssetKey(status.asset), status.partition or None)
            ]
            found.append((status.asset, status.partition, status.state, status.why, shown.value, causes))
    return found


def mirrored(instance, workspace):
    from clip_pipeline.defs.mirror.history import History

    return History(instance, workspace).mirror(STEPS.values())


def states(workspace):
    return {f"{one.asset}[{one.partition}]": one.state for one in pipeline_status(workspace, list(STEPS.values()))}


def test_after_a_whole_run_all_is_fresh_on_both_and_a_second_look_says_nothing(definitions, instance, data):
    with Workspace(data, recipe()) as workspace:
        assert set(states(workspace).values()) <= {"fresh", "on request"}
        assert disagreements(definitions, instance, workspace) == []
        assert mirrored(instance, workspace) == 0


@pytest.mark.parametrize("setting", ["words.min_count=30", "training.learning_rate=0.01", "probe.seed=7"])
def test_a_changed_setting_makes_the_same_assets_stale_on_both(definitions, instance, data, monkeypatch, setting):
    from clip_pipeline_tests.defs.conftest import load_definitions

    monkeypatch.setenv("CLIP_PIPELINE_SETTINGS", setting)
    with Workspace(data, recipe(setting)) as workspace:
        assert "stale" in states(workspace).values()
        for look in range(2):
            found = disagreements(load_definitions(monkeypatch), instance, workspace)
            # The report says which scores are stale, so that it is stale with them; Dagster hears of that from the mirror.
            assert [one for one in found if look or one[0] != "benchmark_report"] == [], f"look {look}"
            mirrored(instance, workspace)


def test_what_the_command_line_built_with_another_setting_is_stale_on_the_page_of_the_recipe(
    definitions, instance, data
):
    with Workspace(data, recipe("words.min_count=30")) as other:
        run_steps(other, [STEPS["vocabulary"]])
        mirrored(instance, other)
    with Workspace(data, recipe()) as workspace:
        assert states(workspace)["vocabulary[]"] == "stale"
        assert disagreements(definitions, instance, workspace) == []
        mirrored(instance, workspace)
        assert disagreements(definitions, instance, workspace) == []
        run_steps(workspace, [STEPS["vocabulary"]])
        mirrored(instance, workspace)
        assert states(workspace)["vocabulary[]"] == "fresh"
        assert disagreements(definitions, instance, workspace) == []


def test_a_shard_that_was_built_anew_with_the_same_photos_leaves_all_fresh(definitions, instance, data):
    with Workspace(data, recipe()) as workspace:
        run_steps(workspace, [STEPS["photo_catalog"]], force=True)
        mirrored(instance, workspace)
        assert disagreements(definitions, instance, workspace) == []


def test_an_artifact_that_was_removed_or_damaged_is_not_fresh_on_the_page(definitions, instance, data):
    shutil.rmtree(data / "text" / "bpe_tokenizer")
    (data / "words" / "vocabulary" / "words.txt").write_text("not these\n")
    with Workspace(data, recipe()) as workspace:
        mirrored(instance, workspace)
        assert states(workspace)["bpe_tokenizer[]"] == "missing" and states(workspace)["vocabulary[]"] == "stale"
        assert disagreements(definitions, instance, workspace) == []
        assert mirrored(instance, workspace) == 0
        run_steps(workspace, [STEPS["vocabulary"], STEPS["bpe_tokenizer"]])
        mirrored(instance, workspace)
        assert disagreements(definitions, instance, workspace) == []


def test_another_variant_makes_nothing_else_stale_and_its_own_partitions_missing(definitions, instance, data):
    (data / "variants").mkdir()
    (data / "variants" / "slow.toml").write_text("[training]\nlearning_rate = 0.0001\n")
    with Workspace(data, recipe()) as workspace:
        mirrored(instance, workspace)
        assert "slow" in instance.get_dynamic_partitions("variants")
        assert states(workspace)["clip_checkpoint[slow]"] == "missing"
        found = disagreements(definitions, instance, workspace)
        assert found == []


def test_a_key_that_somebody_added_on_the_page_stays_and_one_that_was_removed_from_the_folder_goes(instance, data):
    (data / "variants").mkdir()
    slow = data / "variants" / "slow.toml"
    slow.write_text("[training]\nlearning_rate = 0.0001\n")
    instance.add_dynamic_partitions("variants", ["from_the_page"])
    with Workspace(data, recipe()) as workspace:
        mirrored(instance, workspace)
        assert {"slow", "from_the_page"} <= set(instance.get_dynamic_partitions("variants"))
        slow.unlink()
    with Workspace(data, recipe()) as workspace:
        mirrored(instance, workspace)
        assert set(instance.get_dynamic_partitions("variants")) == {"tiny_test", "from_the_page"}


def test_a_recipe_that_adapts_to_nothing_has_its_variants_all_the_same(instance, data):
    with Workspace(data, recipe("adaptation.dataset=")) as workspace:
        mirrored(instance, workspace)
    assert list(instance.get_dynamic_partitions("variants")) == ["tiny_test"]


def test_a_changed_setting_is_no_materialisation(instance, data, monkeypatch):
    """The code version of the definitions says enough; one more event would look like something that was built."""
    before = len(instance.fetch_materializations(dg.AssetKey("vocabulary"), limit=99).records)
    with Workspace(data, recipe("words.min_count=30")) as workspace:
        mirrored(instance, workspace)
    assert len(instance.fetch_materializations(dg.AssetKey("vocabulary"), limit=99).records) == before


def test_a_run_on_another_folder_never_touches_this_history(instance, data, tmp_path):
    before = instance.get_dynamic_partitions("dump_parts")
    with Workspace(tmp_path / "other", recipe("wikipedia.parts=1")) as other:
        run_steps(other, [STEPS["wikipedia_dump"]])
        with pytest.raises(StoreError, match="keeps the history of"):
            mirrored(instance, other)
    assert instance.get_dynamic_partitions("dump_parts") == before


def test_events_carry_code_data_and_input_versions(instance):
    from dagster._core.definitions.data_version import extract_data_provenance_from_entry

    for asset, partition in (
        ("vocabulary", None),
        ("image_shards", "00000"),
        ("zero_shot_scores", "sandbox|tiny_test"),
    ):
        partitions = [partition] if partition else None
        few = dg.AssetRecordsFilter(dg.AssetKey(asset), asset_partitions=partitions)
        (record,) = instance.fetch_materializations(few, limit=1).records
        provenance = extract_data_provenance_from_entry(record.event_log_entry)
        assert provenance.code_version.startswith(f"{STEPS[asset].asset.code_version}-")
        inputs = {*STEPS[asset].asset.after, *STEPS[asset].asset.sources}
        assert {key.to_user_string() for key in provenance.input_data_versions} == inputs
        assert provenance.is_user_provided
