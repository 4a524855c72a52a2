"""The launchpad's fields, which are made from the settings."""

from __future__ import annotations

import pytest

dg = pytest.importorskip("dagster")

from clip_pipeline.defs.resources import (  # noqa: E402
    PipelineResource,
    launch_resources,
    section_resource,
    starting_recipe,
)
from clip_pipeline.errors import SettingsError  # noqa: E402
from clip_pipeline.settings import SECTIONS, Recipe  # noqa: E402
from clip_pipeline.settings.fields import fields_of  # noqa: E402


def recipe_of(monkeypatch, tmp_path, config: dict) -> Recipe:
    """The recipe that a run is handed whose launchpad says `config`."""
    monkeypatch.setenv("CLIP_PIPELINE_DATA", str(tmp_path))
    monkeypatch.setenv("CLIP_PIPELINE_RECIPE", "tiny")
    seen: list[Recipe] = []

    def look(pipeline):
        with pipeline.workspace() as workspace:
            seen.append(workspace.recipe)

    look.__annotations__ = {"pipeline": PipelineResource}  # a name in quotes is not understood by Dagster
    resources = {name: {"config": values} for name, values in config.items()}
    dg.materialize([dg.asset(look)], resources=launch_resources(), run_config={"resources": resources})
    return seen[0]


@pytest.mark.parametrize("section", SECTIONS)
def test_every_setting_is_a_field_with_its_help_its_choices_and_the_value_of_the_start(section):
    shown = section_resource(section, Recipe()).to_config_schema().as_field().config_type.fields
    assert list(shown) == [field.name for field in fields_of(section)]
    for field in fields_of(section):
        launched = shown[field.name]
        assert launched.description.startswith(field.help)
        assert repr(field.default) in launched.description
        assert not launched.is_required
        values = getattr(launched.config_type.inner_type, "config_values", [])
        assert list(values) == list(field.choices)


def test_without_a_field_the_recipe_is_that_of_the_environment(monkeypatch, tmp_path):
    recipe = recipe_of(monkeypatch, tmp_path, {})
    assert recipe.name == "tiny" and recipe.training.epochs == 2


def test_fields_of_any_section_and_another_recipe_are_taken(monkeypatch, tmp_path):
    config = {
        "recipe": {"name": "laptop", "settings": ["training.epochs=4", "words.min_count=7"]},
        "training": {"epochs": 3.0, "precision": "fp16", "flip": False},
        "links": {"source": "unsplash_dataset", "path": "somewhere"},
        "wikipedia": {"dump": "api"},
    }
    recipe = recipe_of(monkeypatch, tmp_path, config)
    assert (recipe.name, recipe.training.epochs, recipe.training.precision) == ("laptop", 3, "fp16")
    assert (recipe.training.flip, recipe.words.min_count) == (False, 7), "false is a value, not an empty field"
    assert (recipe.links.source, recipe.links.path, recipe.wikipedia.dump) == ("unsplash_dataset", "somewhere", "api")


def test_a_choice_that_there_is_not_is_refused_before_anything_starts(monkeypatch, tmp_path):
    with pytest.raises(dg.DagsterInvalidConfigError, match=r"compute:config:device not in enum type"):
        recipe_of(monkeypatch, tmp_path, {"compute": {"device": "tpu"}})


def test_an_old_name_in_the_environment_is_answered_when_the_page_starts(monkeypatch):
    monkeypatch.setenv("CLIP_PIPELINE_SETTINGS", "training.epochs=3; training.clip_norm=1")
    with pytest.raises(SettingsError, match=r"training.clip_norm was renamed training.grad_clip_norm in 0\.2"):
        starting_recipe()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"compute": {"workers": -1}}, "compute.workers is -1, the least that works is 0"),
        (
            {"recipe": {"settings": ["training.word_loss=3"]}},
            "training.word_loss was renamed training.bag_of_words_loss",
        ),
    ],
)
def test_bounds_and_old_names_are_answered_with_the_sentence_of_the_settings(monkeypatch, tmp_path, config, sentence):
    with pytest.raises(Exception, match=sentence):
        recipe_of(monkeypatch, tmp_path, config)
