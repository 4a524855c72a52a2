"""A partition holds what its key says, and is registered wherever that was built which makes it."""

from __future__ import annotations

import json

import pytest

dg = pytest.importorskip("dagster")

from clip_pipeline.models.registry import load_config  # noqa: E402
from clip_pipeline.pipeline.workspace import Workspace  # noqa: E402
from clip_pipeline.settings.environment import starting_recipe  # noqa: E402
from clip_pipeline_tests.defs.automation.conftest import own, own_definitions, own_instance  # noqa: E402, F401
from clip_pipeline_tests.defs.automation.made import write_photo  # noqa: E402


@pytest.mark.slow
def test_a_partition_that_is_named_after_a_model_holds_that_model_and_its_images_are_decoded_first(
    definitions, instance, data, monkeypatch
):
    from clip_pipeline.defs import asset

    monkeypatch.setattr(asset, "in_own_process", lambda step, context: step)
    monkeypatch.setenv("CLIP_PIPELINE_SETTINGS", "training.steps=1")
    instance.add_dynamic_partitions("variants", ["sandbox_small"])
    result = dg.materialize(
        list(definitions.assets),
        selection=dg.AssetSelection.assets("clip_checkpoint"),
        instance=instance,
        resources=definitions.resources,
        partition_key="sandbox_small",
    )
    assert result.success
    with Workspace(data, starting_recipe()) as workspace:
        named, own_model = (workspace.get("clip_checkpoint", key) for key in ("sandbox_small", "tiny_test"))
    assert named.content != own_model.content
    vision = json.loads(named.file("open_clip_config.json").read_text())["model_cfg"]["vision_cfg"]
    assert vision["image_size"] == load_config("sandbox_small")["vision_cfg"]["image_size"]
    made = {(event.asset_key.to_user_string(), event.partition) for event in result.get_asset_materialization_events()}
    assert made >= {("decoded_images", "48px_squash"), ("clip_checkpoint", "sandbox_small")}


@pytest.mark.slow
def test_a_partition_that_says_how_tokens_are_pooled_holds_such_a_model(definitions, instance, data, monkeypatch):
    from clip_pipeline.defs import asset

    key = "pooling.kind=windows+vision_layers=2+steps=1"
    monkeypatch.setattr(asset, "in_own_process", lambda step, context: step)
    instance.add_dynamic_partitions("variants", [key])
    result = dg.materialize(
        [*definitions.assets, *definitions.asset_checks],
        selection=dg.AssetSelection.assets("clip_checkpoint"),
        instance=instance,
        resources=definitions.resources,
        partition_key=key,
        run_config={"ops": {"clip_checkpoint": {"config": {"threads": 1}}}},
    )
    assert result.success
    with Workspace(data, starting_recipe()) as workspace:
        vision = json.loads(workspace.get("clip_checkpoint", key).file("open_clip_config.json").read_text())[
            "model_cfg"
        ]["vision_cfg"]
    assert vision["token_pooling"] == {"kind": "windows"}
    checks = {one.check_name: one.passed for one in result.get_asset_check_evaluations()}
    assert checks["vectors_do_not_depend_on_the_batch"]


def test_a_job_registers_the_shards_of_a_catalog_that_grew_and_removes_those_of_one_that_shrank(
    own,  # noqa: F811
    own_definitions,  # noqa: F811
    own_instance,  # noqa: F811
):
    def shards_after_the_job() -> list[str]:
        job = own_definitions.get_job_def("refresh_links")
        chosen = {"ops": {"choose": {"config": {"select": "+photo_catalog"}}}}
        assert job.execute_in_process(instance=own_instance, run_config=chosen).success
        return list(own_instance.get_dynamic_partitions("shards"))

    assert shards_after_the_job() == ["00000"]
    for seed in range(8, 14):
        write_photo(own / "photos", f"photo{seed}", seed)
    assert shards_after_the_job() == ["00000", "00001"]
    for seed in range(8, 14):
        (own / "photos" / f"photo{seed}.jpg").unlink()
        (own / "photos" / f"photo{seed}.txt").unlink()
    assert shards_after_the_job() == ["00000"]


@pytest.mark.slow
def test_an_index_is_made_of_the_vectors_of_its_own_variant_and_those_that_are_missing_come_first(
    definitions, instance, data
):
    """ "Materialize all" of an empty folder asks for no shard that is not known yet."""
    import shutil

    from clip_pipeline.defs.partitions import input_partitions
    from clip_pipeline.pipeline.graph import STEPS
    from clip_pipeline.pipeline.variants.defined import add_variant

    with Workspace(data, starting_recipe()) as workspace:
        add_variant(workspace, "other", ["training.seed=1"])
        shards = workspace.store.partitions("images", "image_shards")
        embeddings, index = STEPS["shard_embeddings"].asset, STEPS["search_index"].asset
        assert input_partitions(workspace, embeddings, index, "other") == [f"{shard}|other" for shard in shards]
        assert input_partitions(workspace, STEPS["image_shards"].asset, embeddings, "00001|other") == ["00001"]
    shutil.rmtree(data / "embedding" / "shard_embeddings" / shards[0])
    shutil.rmtree(data / "search")
    result = dg.materialize(
        list(definitions.assets),
        selection=dg.AssetSelection.assets("search_index"),
        instance=instance,
        resources=definitions.resources,
        partition_key="tiny_test",
    )
    assert result.success
    with Workspace(data, starting_recipe()) as workspace:
        assert workspace.get("search_index", "tiny_test").rows["photos"] > 0
        assert workspace.store.partitions("embedding", "shard_embeddings") == [f"{shard}|tiny_test" for shard in shards]
