"""The definitions as Dagster sees them, run in process on the artifacts of the tiny run."""

from __future__ import annotations

import base64
import shutil
from pathlib import Path

import pytest

dg = pytest.importorskip("dagster")

from clip_pipeline.pipeline.asset import Partitions  # noqa: E402
from clip_pipeline.pipeline.checks.integrity import CHECKS  # noqa: E402
from clip_pipeline.pipeline.graph import STEPS  # noqa: E402
from clip_pipeline.pipeline.sources.declared import SOURCES  # noqa: E402
from clip_pipeline.pipeline.steps.report import REPORT  # noqa: E402
from clip_pipeline.pipeline.workspace import Workspace  # noqa: E402
from clip_pipeline.settings.recipes import find_recipe  # noqa: E402


def materialize(definitions, instance, asset, partition=None, tags=None, config=None):
    return dg.materialize(
        [*definitions.assets, *definitions.asset_checks],
        selection=dg.AssetSelection.assets(asset),
        instance=instance,
        resources=definitions.resources,
        partition_key=partition,
        tags=tags,
        run_config=config,
    )


def test_they_load_and_every_step_is_an_asset(definitions):
    dg.Definitions.validate_loadable(definitions)
    keys = {key.to_user_string() for key in definitions.resolve_asset_graph().get_all_asset_keys()}
    assert keys == {*STEPS, *SOURCES}


def test_groups_owners_kinds_descriptions_and_code_versions_are_there(definitions):
    graph = definitions.resolve_asset_graph()
    groups = []
    for asset in STEPS:
        node = graph.get(dg.AssetKey(asset))
        assert node.description, asset
        assert node.owners, asset
        assert node.kinds, asset
        assert node.code_version, asset
        if asset != REPORT:  # it closes the flow and tells of the adaptation too
            groups.append(node.group_name)
    assert groups == sorted(groups), "groups are numbered in the order of the flow"


@pytest.mark.parametrize("asset", [asset for asset, step in STEPS.items() if not step.asset.on_request])
def test_every_asset_hits_the_cache_of_the_command_line(definitions, instance, tiny_data, asset):
    from clip_pipeline.defs.partitions import definition_of

    definition = definition_of(STEPS[asset].asset)
    key = None
    if definition is not None:
        with Workspace(tiny_data, find_recipe("tiny")) as workspace:
            made = {str(name) for name in STEPS[asset].partitions(workspace)}
        keys = definition.get_partition_keys(dynamic_partitions_store=instance)
        key = next(key for key in keys if key in made)
    result = materialize(definitions, instance, asset, key)
    assert result.success
    (event,) = result.asset_materializations_for_node(asset)
    assert event.metadata["Cache"].value == "hit"
    assert event.tags["dagster/data_version"]


@pytest.mark.slow
def test_checks_run_with_their_assets_and_the_blocking_ones_hold(definitions, instance):
    names = set()
    undivided = [name for name, step in STEPS.items() if step.asset.partitions == Partitions.NONE]
    for asset in {check.asset for check in CHECKS} & set(undivided):
        result = materialize(definitions, instance, asset)
        for evaluation in result.get_asset_check_evaluations():
            names.add(evaluation.check_name)
            assert evaluation.passed or evaluation.severity == dg.AssetCheckSeverity.WARN, evaluation.description
    assert {"vocabulary_holds_words", "splits_share_nothing", "tokenizer_round_trips"} <= names


def test_a_batched_run_takes_all_partitions_and_describes_each(definitions, instance):
    tags = {"dagster/asset_partition_range_start": "000", "dagster/asset_partition_range_end": "001"}
    result = materialize(definitions, instance, "image_links", tags=tags)
    events = result.asset_materializations_for_node("image_links")
    assert sorted(event.partition for event in events) == ["000", "001"]
    assert all(event.metadata["Cache"].value == "hit" for event in events)


@pytest.mark.slow
def test_a_backfill_of_a_range_of_dump_parts_counts_just_those(monkeypatch, tmp_path):
    """A dump of forty streams in 30 parts: dynamic partitions out of its streams, two ranges, one part again."""
    import sys

    from clip_pipeline_tests.words.dumps import page_xml, write_multistream

    dump = tmp_path / "enwiki-20260101-pages-articles-multistream.xml.bz2"
    write_multistream(dump, [[page_xml(f"P{n}", f"word{n} shared", n + 1)] for n in range(40)])
    monkeypatch.setenv("CLIP_PIPELINE_RECIPE", "tiny")
    monkeypatch.setenv("CLIP_PIPELINE_DATA", str(tmp_path / "data"))
    settings = f"wikipedia.dump={dump};wikipedia.parts=30;words.min_count=0;words.digits=true"
    monkeypatch.setenv("CLIP_PIPELINE_SETTINGS", settings)
    for name in [name for name in sys.modules if name.startswith(("clip_pipeline.defs", "clip_pipeline.definitions"))]:
        monkeypatch.delitem(sys.modules, name)
    from clip_pipeline.definitions import defs

    def count_range(first, last):
        tags = {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}
        events = materialize(defs, fresh, "word_counts", tags=tags).asset_materializations_for_node("word_counts")
        return {event.partition: event.metadata["Cache"].value for event in events}

    with dg.DagsterInstance.ephemeral() as fresh:
        materialize(defs, fresh, "wikipedia_dump")
        keys = list(fresh.get_dynamic_partitions("dump_parts"))
        assert keys == [f"part-{number:03}" for number in range(len(keys))] and len(keys) > 20
        first = count_range(keys[3], keys[9])
        assert sorted(first) == keys[3:10] and all(state.startswith("built") for state in first.values())
        second = count_range(keys[0], keys[-1])
        assert sorted(second) == keys
        assert [key for key in keys if second[key] == "hit"] == keys[3:10], "what the first range counted is kept"
        materialize(defs, fresh, "vocabulary")
    words = (tmp_path / "data" / "words" / "vocabulary" / "words.txt").read_text().split()
    assert words[0] == "shared" and len(words) == 41


def test_forcing_in_the_launchpad_builds_again(definitions, instance):
    config = {"ops": {"vocabulary": {"config": {"force": True}}}}
    result = materialize(definitions, instance, "vocabulary", config=config)
    (event,) = result.asset_materializations_for_node("vocabulary")
    assert event.metadata["Cache"].value == "built: asked to"


@pytest.mark.slow
@pytest.mark.parametrize("way", ["asset", "job"])
def test_a_training_is_seen_while_it_runs(definitions, instance, monkeypatch, way):
    """Numbers that the page draws over time and the curve so far, before the model is there. `test_own_process.py` shows that they
    come out of a process of its own too."""
    from clip_pipeline.defs import asset, walk
    from clip_pipeline.training.reports import live_plot

    for module in (asset, walk):
        monkeypatch.setattr(module, "in_own_process", lambda step, context, start=None: step)
    monkeypatch.setattr(live_plot, "FIRST_SECONDS", 0.0)  # at every row
    monkeypatch.setenv("CLIP_PIPELINE_SETTINGS", "training.steps=8")
    if way == "asset":
        materialize(definitions, instance, "clip_checkpoint", "tiny_test")
    else:
        ops = {"ops": {"choose": {"config": {"select": "clip_checkpoint"}}}}
        definitions.get_job_def("run_pipeline").execute_in_process(instance=instance, run_config=ops)
    key = dg.AssetKey("clip_checkpoint")
    observed = [record.asset_observation for record in instance.fetch_observations(key, limit=100).records][::-1]
    made = instance.fetch_materializations(key, limit=1).records[0]
    assert [one.metadata["Step"].value for one in observed] == list(range(1, 9))
    assert instance.fetch_observations(key, limit=1).records[0].storage_id < made.storage_id
    last = observed[-1]
    assert last.partition == "tiny_test" and last.metadata["Validation loss"].value > 0
    assert last.metadata["Pairs per second"].value > 0
    image = base64.b64decode(last.metadata["So far"].value.split("base64,")[1].rstrip(")"))
    assert image[:4] == b"\x89PNG" and len(image) <= 100_000


def test_a_setting_of_the_page_decides_what_is_built(definitions, instance, monkeypatch):
    monkeypatch.setenv("CLIP_PIPELINE_SETTINGS", "words.min_count=30")
    result = materialize(definitions, instance, "vocabulary")
    (event,) = result.asset_materializations_for_node("vocabulary")
    assert "min_count changed from 20 to 30" in event.metadata["Cache"].value


def test_a_wrong_setting_fails_with_its_sentence(definitions, instance, monkeypatch):
    monkeypatch.setenv("CLIP_PIPELINE_SETTINGS", "words.min_cuont=30")
    with pytest.raises(Exception, match="Did you mean"):
        materialize(definitions, instance, "vocabulary")


def test_the_dump_tells_dagster_its_parts_and_the_catalog_its_shards(definitions):
    with dg.DagsterInstance.ephemeral() as fresh:
        materialize(definitions, fresh, "wikipedia_dump")
        materialize(definitions, fresh, "photo_catalog")
        assert list(fresh.get_dynamic_partitions("dump_parts")) == ["part-000", "part-001"]
        assert list(fresh.get_dynamic_partitions("shards")) == ["00000", "00001"]


def test_the_whole_graph_but_what_is_asked_for_by_name_runs_as_one_job_and_reports_every_artifact(
    definitions, instance
):
    result = definitions.get_job_def("run_pipeline").execute_in_process(instance=instance, raise_on_error=True)
    assert not result.get_asset_materialization_events(), "all are hits, and the history knows them"
    keys = {event.asset_key.to_user_string() for event in result.get_asset_observation_events()}
    assert keys == {name for name, step in STEPS.items() if not step.asset.on_request}


def test_what_the_command_line_built_is_in_the_history(definitions, tiny_data, tmp_path, monkeypatch):
    from clip_pipeline.defs.mirror.command_history import report_run
    from clip_pipeline.pipeline.run import run_steps

    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    data = Path(shutil.copytree(tiny_data, tmp_path / "other", copy_function=shutil.copy2))
    with Workspace(data, find_recipe("tiny")) as workspace:
        report_run(workspace, run_steps(workspace, [STEPS["word_counts"]], force=True))
    with dg.DagsterInstance.get() as instance:
        records = instance.fetch_materializations(dg.AssetKey("word_counts"), limit=10).records
        assert sorted(record.partition_key for record in records) == ["part-000", "part-001"]
