"""Checks on the page: of one partition, of a range, alone, and what a blocking one does."""

from __future__ import annotations

import os

import pytest

dg = pytest.importorskip("dagster")

from clip_pipeline.pipeline.checks.evaluate import checks_of  # noqa: E402
from clip_pipeline.pipeline.checks.integrity import CHECKS  # noqa: E402
from clip_pipeline_tests.defs.conftest import load_definitions  # noqa: E402


@pytest.fixture
def looked_at(monkeypatch, tiny_data):
    """The definitions of the tiny recipe on its artifacts, which are hits."""
    monkeypatch.setenv("CLIP_PIPELINE_RECIPE", "tiny")
    monkeypatch.setenv("CLIP_PIPELINE_DATA", str(tiny_data))
    return load_definitions(monkeypatch)


@pytest.fixture
def new_instance():
    with dg.DagsterInstance.ephemeral() as made:
        made.add_dynamic_partitions("shards", ["00000", "00001"])
        made.add_dynamic_partitions("variants", ["tiny_test"])
        made.add_dynamic_partitions("datasets", ["held_out", "sandbox"])
        yield made


def run(definitions, instance, selection, partition=None, **options):
    return dg.materialize(
        [*definitions.assets, *definitions.asset_checks],
        selection=selection,
        instance=instance,
        resources=definitions.resources,
        partition_key=partition,
        raise_on_error=False,
        **options,
    )


def found(result) -> list[tuple[str, str | None]]:
    return sorted((one.check_name, one.partition) for one in result.get_asset_check_evaluations())


def test_every_check_is_divided_as_its_asset_and_those_of_an_asset_are_one_step(looked_at):
    graph = looked_at.resolve_asset_graph()
    nodes = list(graph.asset_check_nodes)
    assert {(node.key.asset_key.to_user_string(), node.key.name) for node in nodes} == {
        (check.asset, check.name) for check in CHECKS
    }
    for node in nodes:
        assert node.partitions_def == graph.get(node.key.asset_key).partitions_def
    assert len(looked_at.asset_checks) == len({check.asset for check in CHECKS})


def test_a_run_of_one_shard_checks_that_shard(looked_at, new_instance):
    result = run(looked_at, new_instance, dg.AssetSelection.assets("image_shards"), "00001")
    assert result.success
    assert found(result) == sorted((check.name, "00001") for check in checks_of("image_shards"))
    key = dg.AssetCheckKey(dg.AssetKey("image_shards"), "photos_decode")
    (record,) = new_instance.event_log_storage.get_asset_check_execution_history(key, limit=9)
    assert record.partition == "00001"
    (evaluation,) = [one for one in result.get_asset_check_evaluations() if one.check_name == "photos_decode"]
    assert evaluation.target_materialization_data.run_id == result.run_id


def test_a_run_of_a_range_checks_each_of_its_partitions(looked_at, new_instance):
    tags = {"dagster/asset_partition_range_start": "00000", "dagster/asset_partition_range_end": "00001"}
    result = run(looked_at, new_instance, dg.AssetSelection.assets("image_shards"), tags=tags)
    assert result.success
    assert found(result) == sorted(
        (check.name, shard) for check in checks_of("image_shards") for shard in ("00000", "00001")
    )


def test_a_check_of_a_dataset_and_a_variant_is_of_both(looked_at, new_instance):
    partition = dg.MultiPartitionKey({"dataset": "sandbox", "variant": "tiny_test"})
    result = run(looked_at, new_instance, dg.AssetSelection.assets("text_embeddings"), partition)
    assert found(result) == [("text_embeddings_are_whole", "sandbox|tiny_test")]


def test_one_check_executed_alone_looks_at_every_partition_that_was_built(looked_at, new_instance):
    key = dg.AssetCheckKey(dg.AssetKey("image_shards"), "photos_decode")
    result = run(looked_at, new_instance, dg.AssetSelection.checks(key))
    assert result.success and found(result) == [("photos_decode", "00000"), ("photos_decode", "00001")]


def test_a_damaged_shard_fails_its_run_and_no_other(definitions, data, new_instance):
    tar = data / "images/image_shards/00001/00001.tar"
    content, times = bytearray(tar.read_bytes()), tar.stat()
    content[2000] ^= 1
    tar.write_bytes(content)
    os.utime(tar, ns=(times.st_atime_ns, times.st_mtime_ns))  # as a disk that forgets: nothing tells but the bytes
    shards = dg.AssetSelection.assets("image_shards")
    bad = run(definitions, new_instance, shards, "00001")
    assert not bad.success
    (failed,) = [one for one in bad.get_asset_check_evaluations() if not one.passed]
    assert (failed.check_name, failed.description) == (
        "shards_match_their_manifests", "00001.tar differs from its manifest",
    )  # fmt: skip
    assert run(definitions, new_instance, shards, "00000").success
