"""What the launchpad offers and refuses, asked of Dagster as the page asks it, in this process."""

from __future__ import annotations

import json
import os

import pytest

dg = pytest.importorskip("dagster")
graphql = pytest.importorskip("dagster_graphql.test.utils")

from clip_pipeline.defs.resources import (  # noqa: E402
    ALL_SPEED,
    LaunchConfig,
    PipelineResource,
    starting_recipe,
    with_speed,
)
from clip_pipeline.errors import SettingsError  # noqa: E402
from clip_pipeline.pipeline.graph import STEPS  # noqa: E402
from clip_pipeline.settings import Recipe  # noqa: E402
from clip_pipeline.settings.fields import find_field, speed_settings  # noqa: E402
from clip_pipeline_tests.defs.conftest import page_in_this_process  # noqa: E402

VALID = """
query ($selector: PipelineSelector!, $config: RunConfigData!) {
  isPipelineConfigValid(pipeline: $selector, runConfigData: $config, mode: "default") {
    __typename
    ... on RunConfigValidationInvalid { errors { message } }
    ... on Error { message }
  }
}
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The page of the tiny recipe."""
    with (
        pytest.MonkeyPatch.context() as patch,
        dg.DagsterInstance.local_temp(str(tmp_path_factory.mktemp("home"))) as instance,
    ):
        patch.setenv("CLIP_PIPELINE_RECIPE", "tiny")
        with page_in_this_process(instance) as context:
            yield context


def refusals(page, config: dict, asset: str = "", job: str = "__ASSET_JOB") -> list[str]:
    """What the launchpad says against the configuration of a run; nothing where it takes it."""
    selector = {
        "repositoryLocationName": "clip_pipeline",
        "repositoryName": "__repository__",
        "pipelineName": job,
        "assetSelection": [{"path": [asset]}] if asset else None,
    }
    variables = {"selector": selector, "config": json.dumps(config)}
    answer = graphql.execute_dagster_graphql(page, VALID, variables).data["isPipelineConfigValid"]
    assert answer["__typename"] in ("PipelineConfigValidationValid", "RunConfigValidationInvalid"), answer
    return [error["message"] for error in answer.get("errors", [])]


def of_asset(asset: str, **config) -> dict:
    return {"ops": {asset: {"config": config}}}


def test_the_launchpad_takes_what_an_asset_uses(page):
    checkpoint = of_asset("clip_checkpoint", device="cpu", workers=2, threads=1, checkpoint_seconds=5, force=True)
    assert refusals(page, checkpoint, "clip_checkpoint") == []
    assert refusals(page, of_asset("word_counts", workers=2), "word_counts") == []
    assert refusals(page, of_asset("image_embeddings", batch_size=8, device=None), "image_embeddings") == []
    assert refusals(page, {}, "vocabulary") == []


@pytest.mark.parametrize(
    ("asset", "config", "sentence"),
    [
        ("clip_checkpoint", {"device": "tpu"}, "not in enum type"),
        ("clip_checkpoint", {"workers": "many"}, "Int"),
        ("clip_checkpoint", {"precision": "bf16"}, '"precision"'),  # it changes the bytes
        ("clip_checkpoint", {"epochs": 3}, '"epochs"'),
        ("vocabulary", {"min_count": 30}, '"min_count"'),
        ("vocabulary", {"device": "cuda"}, '"device"'),  # nothing is computed there
        ("word_counts", {"device": "cpu"}, '"device"'),
        ("vocabulary", {"force": "perhaps"}, "Bool"),
    ],
)
def test_the_launchpad_itself_refuses_wrong_values_what_an_asset_does_not_use_and_what_changes_bytes(
    page, asset, config, sentence
):
    (refused,) = refusals(page, of_asset(asset, **config), asset)
    assert sentence in refused


def test_recipe_settings_and_data_folder_are_no_values_of_a_launchpad(page):
    repository = page.get_code_location("clip_pipeline").get_repository("__repository__")
    schema = repository.get_full_job("__ASSET_JOB").config_schema_snapshot
    for snap in schema.all_config_snaps_by_key.values():
        names = {field.name for field in snap.fields or []}
        assert not names & {"recipe", "settings", "data_folder", "storage"}, snap.key


@pytest.mark.parametrize("job", ["run_pipeline", "evaluate_checkpoint"])
def test_jobs_show_the_same_configuration(page, job):
    names = [find_field(name).name for name in ALL_SPEED]
    assert {"device", "workers", "threads", "batch_size", "checkpoint_seconds"} <= set(names)
    config = {"ops": {"choose": {"config": {name: None for name in names}}}}
    assert refusals(page, config, job=job) == []
    config["ops"]["choose"]["config"] = {"device": "tpu"}
    assert "not in enum type" in refusals(page, config, job=job)[0]


def fields_shown(start: Recipe, speed=ALL_SPEED) -> dict:
    return with_speed(LaunchConfig, speed, start).to_config_schema().as_field().config_type.fields


def test_every_field_says_help_choices_bounds_and_what_the_recipe_says():
    start = Recipe()
    shown = fields_shown(start)
    assert len(shown) == len(ALL_SPEED), "no two are called alike"
    for field in map(find_field, ALL_SPEED):
        launched = shown[field.name]
        assert launched.description.startswith(field.help)
        assert field.choices or field.limits in launched.description
        assert repr(field.default) in launched.description
        assert not launched.is_required and launched.config_type.kind.name == "NONEABLE"
        assert list(getattr(launched.config_type.inner_type, "config_values", [])) == list(field.choices)


def test_no_asset_is_given_a_setting_that_changes_bytes():
    for step in STEPS.values():
        for name in step.builder.speed:
            assert name in speed_settings(name.partition(".")[0])


def recipe_of(monkeypatch, tmp_path, config: dict) -> Recipe:
    """The recipe that a run is handed whose launchpad says `config`."""
    monkeypatch.setenv("CLIP_PIPELINE_DATA", str(tmp_path))
    if "CLIP_PIPELINE_RECIPE" not in os.environ:
        monkeypatch.setenv("CLIP_PIPELINE_RECIPE", "tiny")
    seen: list[Recipe] = []

    def look(config, pipeline):
        with pipeline.workspace(config.given()) as workspace:
            seen.append(workspace.recipe)

    settings = with_speed(LaunchConfig, ALL_SPEED, Recipe())
    look.__annotations__ = {"config": settings, "pipeline": PipelineResource}  # Dagster understands no name in quotes
    dg.materialize([dg.asset(look)], resources={"pipeline": PipelineResource()}, run_config=of_asset("look", **config))
    return seen[0]


def test_an_empty_field_is_as_the_recipe_says_and_nought_and_false_are_values(monkeypatch, tmp_path):
    monkeypatch.setenv("CLIP_PIPELINE_SETTINGS", "compute.workers=3; training.checkpoint_steps=7")
    empty = recipe_of(monkeypatch, tmp_path, {})
    assert empty == starting_recipe() and (empty.name, empty.compute.workers) == ("tiny", 3)
    given = recipe_of(monkeypatch, tmp_path, {"workers": 0, "device": "cpu", "reuse": False, "max_wait": 1.5})
    assert (given.compute.workers, given.compute.device, given.training.checkpoint_steps) == (0, "cpu", 7)
    assert (given.download.reuse, given.links.max_wait) == (False, 1.5)


def test_the_environment_may_name_a_profile_and_a_run_reads_it_anew(monkeypatch, tmp_path):
    profile = tmp_path / "mine.toml"
    profile.write_text('recipe = "tiny"\n[words]\nmin_count = 30\n')
    monkeypatch.setenv("CLIP_PIPELINE_RECIPE", str(profile))
    assert starting_recipe().words.min_count == 30
    profile.write_text('recipe = "tiny"\n[words]\nmin_count = 40\n')
    recipe = recipe_of(monkeypatch, tmp_path, {})
    assert (recipe.name, recipe.words.min_count) == ("mine", 40)


def test_an_old_name_in_the_environment_is_answered_when_the_page_starts(monkeypatch):
    monkeypatch.setenv("CLIP_PIPELINE_SETTINGS", "training.epochs=3; training.clip_norm=1")
    with pytest.raises(SettingsError, match=r"training.clip_norm was renamed training.grad_clip_norm in 0\.2"):
        starting_recipe()


def test_a_number_out_of_its_bounds_fails_the_run_with_the_sentence_of_the_settings(monkeypatch, tmp_path):
    with pytest.raises(dg.Failure, match="compute.workers is -1, the least that works is 0") as failed:
        recipe_of(monkeypatch, tmp_path, {"workers": -1})
    assert not failed.value.allow_retries
