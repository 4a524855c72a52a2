"""Sources are nodes of the graph, and what reads them is unsynced on the page just where `clip-pipeline status` calls it stale."""

from __future__ import annotations

import pyarrow.parquet as pq
import pytest

dg = pytest.importorskip("dagster")

from dagster._core.definitions.observe import observe  # noqa: E402

from clip_pipeline.images.takedown import Takedown, add_takedowns  # noqa: E402
from clip_pipeline.pipeline.graph import select  # noqa: E402
from clip_pipeline.pipeline.run import run_steps  # noqa: E402
from clip_pipeline.pipeline.sources.declared import SOURCES  # noqa: E402
from clip_pipeline.pipeline.workspace import Workspace  # noqa: E402
from clip_pipeline.settings.environment import data_folder, starting_recipe  # noqa: E402
from clip_pipeline_tests.defs.automation.made import write_dump, write_photo  # noqa: E402
from clip_pipeline_tests.defs.mirror.test_history import disagreements, mirrored, states  # noqa: E402


def workspace() -> Workspace:
    return Workspace(data_folder(), starting_recipe())


def stale() -> set[str]:
    return {name.partition("[")[0] for name, state in states(workspace()).items() if state == "stale"}


@pytest.fixture
def built(own_definitions, own_instance):
    """Everything up to the pairs, built and in the history."""
    run_steps(workspace(), select("+image_text_pairs"))
    mirrored(own_instance, workspace())
    assert disagreements(own_definitions, own_instance, workspace()) == [] and stale() == set()


def grown_list(own):
    write_photo(own / "photos", "another", 99)


def changed_dump(own):
    write_dump(own / "wiki.xml", "lamp")


def new_takedown(own):
    id = pq.read_table(workspace().get("photo_catalog").file("photos.parquet"))["id"][0].as_py()
    add_takedowns(data_folder() / "takedowns.jsonl", [Takedown(id)])


@pytest.mark.parametrize(
    "change, read_by",
    [
        (grown_list, {"image_links", "photo_catalog", "image_shards"}),
        (changed_dump, {"wikipedia_dump"}),
        (new_takedown, {"photo_catalog"}),
    ],
)
def test_a_changed_source_makes_the_same_assets_stale_on_the_page_and_for_status(
    own_definitions, own_instance, own, built, change, read_by
):
    change(own)
    assert stale() == read_by
    mirrored(own_instance, workspace())
    assert disagreements(own_definitions, own_instance, workspace()) == []
    run_steps(workspace(), select("+image_text_pairs"))
    mirrored(own_instance, workspace())
    assert stale() == set() and disagreements(own_definitions, own_instance, workspace()) == []
    assert mirrored(own_instance, workspace()) == 0


def test_each_source_can_be_observed_on_the_page_and_says_what_the_mirror_says(own_definitions, own_instance, built):
    for name, source in SOURCES.items():
        state = source.look(workspace())
        before = own_instance.fetch_observations(dg.AssetKey(name), limit=1).records[0].asset_observation
        assert before.tags["dagster/data_version"] == state.version
        asset = own_definitions.resolve_assets_def(dg.AssetKey(name))
        assert observe([asset], instance=own_instance).success
        after = own_instance.fetch_observations(dg.AssetKey(name), limit=1).records[0].asset_observation
        assert after.tags["dagster/data_version"] == state.version
        assert {key: value.value for key, value in after.metadata.items()} == dict(state.shown)
    assert mirrored(own_instance, workspace()) == 0
    assert disagreements(own_definitions, own_instance, workspace()) == []


def test_a_check_of_a_partition_that_was_built_again_elsewhere_is_told_again(own_definitions, own, built, tmp_path):
    """Dagster's storage of a page, not that in memory, refused the second evaluation of a check and a partition."""
    (tmp_path / "home").mkdir()
    with dg.DagsterInstance.local_temp(str(tmp_path / "home")) as instance:
        for seed in (None, 70, 71):
            if seed:
                write_photo(own / "photos", f"more{seed}", seed)
            run_steps(workspace(), select("+image_text_pairs"))
            assert mirrored(instance, workspace()) > 0 and mirrored(instance, workspace()) == 0
        key = dg.AssetCheckKey(dg.AssetKey("image_shards"), "shards_match_their_manifests")
        records = instance.event_log_storage.get_asset_check_execution_history(key, limit=5)
        assert [record.status.value for record in records] == ["SUCCEEDED"], "one a partition"
        newest = instance.fetch_materializations(dg.AssetKey("image_shards"), limit=1).records[0]
        assert (
            records[0].event.dagster_event.event_specific_data.target_materialization_data.storage_id
            == newest.storage_id
        )
