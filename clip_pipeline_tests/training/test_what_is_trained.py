"""Which recipe `train` follows where nobody names one, and what it says of it."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from clip_pipeline.api.train import _what_is_trained
from clip_pipeline.cli import commands
from clip_pipeline.settings.chosen_recipe import DEFAULTS, own_photos_recipe
from clip_pipeline.training.options import architecture_of

NOBODY = " Nobody named a recipe, and laptop is the one for photos of your own; --recipe names another."


def said(recipe: str | None, *settings: str) -> str:
    chosen = own_photos_recipe(recipe, settings)
    return _what_is_trained("photos/", 1234, chosen, architecture_of(chosen.training), recipe is not None)


def test_the_model_the_pairs_the_recipe_and_the_size_of_the_images_are_said():
    expected = "Training vit_s_16_112 on photos/ (1,234 pairs) by the recipe laptop: images of 112 pixels."
    assert said("laptop", "training.model=vit_s_16_112") == expected
    assert said(None, "training.model=vit_s_16_112") == expected + NOBODY


@pytest.mark.parametrize("recipe", ["sandbox", "tiny"])
def test_a_recipe_of_the_generated_world_says_so(recipe):
    assert f"It is made for the small generated world; for photos of your own leave --recipe {recipe} away." in said(
        recipe
    )


def test_photos_that_are_stored_smaller_than_the_model_sees_them_are_said():
    more = ["training.model=ViT-B-32"]
    assert "stored at 128 pixels, fewer than it sees: set download.image_size=224 or more." in said("laptop", *more)
    assert "stored at" not in said("laptop", *more, "download.image_size=224") + said("laptop")
    assert "stored at" not in said("laptop", *more, "download.resize=original")


def test_without_a_recipe_photos_of_ones_own_are_trained_on_by_laptop_and_a_model_goes_on_by_finetune():
    assert own_photos_recipe(None).name == "laptop"
    assert own_photos_recipe(None, {"training.epochs": 3}).training.epochs == 3
    going_on = own_photos_recipe(None, ["training.init_from=mine/", "training.epochs=2"], "cpu")
    assert (going_on.name, going_on.training.init_from, going_on.training.epochs) == ("finetune", "mine/", 2)
    assert going_on.compute.device == "cpu" and going_on.training.learning_rate <= 1e-4
    assert going_on.training.optimizer == "adamw" and going_on.training.text_encoder == "open_clip"
    assert own_photos_recipe("sandbox", ["training.init_from=mine/"]).name == "sandbox", "what is named is followed"
    assert own_photos_recipe("") == DEFAULTS


@pytest.mark.parametrize(("settings", "recipe"), [((), "laptop"), (("--set", "training.init_from=mine/"), "finetune")])
def test_a_script_names_the_recipe_that_nobody_named(settings, recipe):
    result = CliRunner().invoke(commands, ["launch", "--data", "photos", "-o", "model", *settings])
    assert result.exit_code == 0, result.output
    assert f"--recipe {recipe}" in result.output and f"# Recipe {recipe}: " in result.output


def test_the_help_says_which_recipe_is_taken():
    for command in ("train", "launch"):
        text = " ".join(CliRunner().invoke(commands, [command, "--help"]).output.split())
        assert "laptop, or finetune with training.init_from" in text
