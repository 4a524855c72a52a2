"""Ticks of the sensor that evaluates new checkpoints."""

from __future__ import annotations

import pytest

dg = pytest.importorskip("dagster")

from clip_pipeline.pipeline.graph import STEPS  # noqa: E402
from clip_pipeline.pipeline.run import run_steps  # noqa: E402
from clip_pipeline.pipeline.workspace import Workspace  # noqa: E402
from clip_pipeline.settings.recipes import find_recipe  # noqa: E402


def tick(definitions, instance, cursor=None):
    repository = definitions.get_repository_def()
    with dg.build_sensor_context(instance=instance, cursor=cursor, repository_def=repository) as context:
        return repository.get_sensor_def("new_checkpoint").evaluate_tick(context)


def trained(variant: str, content: str, **tags: str) -> dg.AssetMaterialization:
    return dg.AssetMaterialization("clip_checkpoint", partition=variant, tags={"dagster/data_version": content, **tags})


def test_every_checkpoint_since_the_cursor_is_evaluated_once_and_of_its_own_variant(definitions, instance):
    first = tick(definitions, instance)
    assert [request.tags["variant"] for request in first.run_requests] == ["tiny_test"]
    for event in (trained("slow", "aaa"), trained("wide", "bbb"), trained("slow", "ccc")):
        instance.report_runless_asset_event(event)
    instance.report_runless_asset_event(trained("gone", "ddd", **{"dagster/code_version": "not in the data folder"}))
    second = tick(definitions, instance, first.cursor)
    assert {request.run_key for request in second.run_requests} == {"slow:ccc", "wide:bbb"}
    for request in second.run_requests:
        variant = request.run_key.split(":")[0]
        assert request.run_config["ops"]["choose"]["config"] == {"variants": [variant]}
        assert request.tags["variant"] == variant and request.tags["recipe"] == "tiny"
    third = tick(definitions, instance, second.cursor)
    assert not third.run_requests and third.skip_message == "No checkpoint since the last tick."


def test_a_checkpoint_of_another_variant_is_embedded_and_scored(definitions, instance, data):
    from clip_pipeline.defs.mirror.history import History

    cursor = tick(definitions, instance).cursor
    (data / "variants").mkdir()
    (data / "variants" / "slow.toml").write_text("[training]\nlearning_rate = 0.0001\nepochs = 1\n")
    with Workspace(data, find_recipe("tiny"), variants=["slow"]) as workspace:
        run_steps(workspace, [STEPS["clip_checkpoint"]])
        History(instance, workspace).mirror([STEPS["clip_checkpoint"]])
        (request,) = tick(definitions, instance, cursor).run_requests
        chosen = {
            **request.run_config["ops"]["choose"]["config"],
            "select": "image_embeddings,text_embeddings,zero_shot_scores",
        }
        result = definitions.get_job_def("evaluate_checkpoint").execute_in_process(
            run_config={"ops": {"choose": {"config": chosen}}},
            tags=request.tags,
            instance=instance,
            raise_on_error=True,
        )
        made = {
            (event.asset_key.to_user_string(), event.partition) for event in result.get_asset_materialization_events()
        }
        assert {("image_embeddings", "sandbox|slow"), ("zero_shot_scores", "sandbox|slow")} <= made
        checkpoint = workspace.get("clip_checkpoint", "slow").content
        assert checkpoint in workspace.get("image_embeddings", "sandbox|slow").manifest["inputs"].values()
