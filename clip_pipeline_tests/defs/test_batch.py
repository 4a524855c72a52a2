"""A run over many partitions: each is reported as it is done, and one that fails stops no other."""

from __future__ import annotations

import pytest

dg = pytest.importorskip("dagster")

from clip_pipeline.defs.mirror.provenance import DATA_VERSION  # noqa: E402
from clip_pipeline.pipeline.graph import STEPS  # noqa: E402
from clip_pipeline.pipeline.workspace import Workspace  # noqa: E402
from clip_pipeline.settings.recipes import find_recipe  # noqa: E402


def run(definitions, instance, asset, first, last):
    tags = {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}
    return dg.materialize(
        [*definitions.assets, *definitions.asset_checks],
        selection=dg.AssetSelection.assets(asset),
        instance=instance,
        resources=definitions.resources,
        tags=tags,
        raise_on_error=False,
    )


def newest(instance, asset, partition):
    few = dg.AssetRecordsFilter(dg.AssetKey(asset), asset_partitions=[partition])
    records = instance.fetch_materializations(few, limit=1).records
    return records[0] if records else None


def sentence(result):
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    return failure.step_failure_data.user_failure_data.description


def test_one_broken_dataset_of_four_leaves_three_green_and_is_green_once_it_is_mended(definitions, instance, data):
    broken = data / "photos_of_mine"
    broken.mkdir()
    (data / "datasets").mkdir(exist_ok=True)
    (data / "datasets" / "digits.toml").write_text('dataset = "digits"\n')
    (data / "datasets" / "mine.toml").write_text(f'dataset = "mine={broken}"\n')
    instance.add_dynamic_partitions("datasets", ["digits", "mine"])

    result = run(definitions, instance, "benchmark_dataset", "held_out", "mine")

    assert not result.success
    assert "benchmark_dataset[mine]" in sentence(result)
    of_this_run = {key: newest(instance, "benchmark_dataset", key) for key in ("digits", "held_out", "sandbox")}
    assert {record.run_id for record in of_this_run.values()} == {result.run_id}
    assert newest(instance, "benchmark_dataset", "mine") is None

    (broken / "red").mkdir()
    (broken / "blue").mkdir()
    from PIL import Image

    for color in ("red", "blue"):
        Image.new("RGB", (16, 16), color).save(broken / color / "a.png")
    again = run(definitions, instance, "benchmark_dataset", "mine", "mine")
    assert again.success
    assert newest(instance, "benchmark_dataset", "mine").run_id == again.run_id


def test_a_key_that_no_artifact_can_have_fails_alone(definitions, instance):
    instance.add_dynamic_partitions("datasets", ["leer=/no/where", "digits"])
    result = run(definitions, instance, "benchmark_dataset", "held_out", "digits")
    assert not result.success
    assert "benchmark_dataset[leer=/no/where]" in sentence(result) and "Delete partitions" in sentence(result)
    of_this_run = {newest(instance, "benchmark_dataset", key).run_id for key in ("held_out", "sandbox", "digits")}
    assert of_this_run == {result.run_id}


def test_each_partition_of_a_batch_has_its_own_data_version_and_inputs(definitions, instance, data):
    result = run(definitions, instance, "image_shards", "00000", "00001")
    assert result.success
    with Workspace(data, find_recipe("tiny")) as workspace:
        for key in ("00000", "00001"):
            tags = newest(instance, "image_shards", key).asset_materialization.tags
            assert tags[DATA_VERSION] == workspace.get("image_shards", key).content
            assert f"dagster/input_data_version/{STEPS['image_shards'].asset.after[0]}" in tags


def test_no_asset_shares_a_batch_size_with_one_before_it_of_the_same_partitions():
    """Dagster would put both into one run, where the second is skipped: the first, which reports its partitions itself, yields
    nothing that the second could wait for."""
    for step in STEPS.values():
        for name in step.asset.after:
            before = STEPS[name].asset
            if before.partitions == step.asset.partitions and step.asset.partitions != "none":
                assert before.partitions_per_run != step.asset.partitions_per_run, (name, step.name)


def test_an_asset_builds_the_partitions_that_nobody_could_ask_for(definitions, data):
    """ "Materialize all" of an empty folder: when it is asked, there is no part of a dump yet."""
    import shutil

    shutil.rmtree(data / "words" / "word_counts")
    with dg.DagsterInstance.ephemeral() as fresh:
        result = dg.materialize(
            [*definitions.assets, *definitions.asset_checks],
            selection=dg.AssetSelection.assets("vocabulary"),
            instance=fresh,
            resources=definitions.resources,
        )
        assert result.success
        assert list(fresh.get_dynamic_partitions("dump_parts")) == ["part-000", "part-001"]
        counted = [newest(fresh, "word_counts", key) for key in ("part-000", "part-001")]
        assert {record.run_id for record in counted} == {result.run_id}
