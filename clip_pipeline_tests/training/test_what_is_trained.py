"""What `train` says it trains: nobody gets the generated world's small model unknowing."""

from __future__ import annotations

from clip_pipeline.api.train import _what_is_trained
from clip_pipeline.settings.chosen_recipe import recipe_of
from clip_pipeline.training.options import architecture_of


def said(recipe: str, *settings: str) -> str:
    chosen = recipe_of(recipe, settings)
    return _what_is_trained("photos/", 1234, chosen, architecture_of(chosen.training))


def test_the_model_the_pairs_the_recipe_and_the_size_of_the_images_are_said():
    assert said("laptop", "training.model=vit_s_16_112") == (
        "Training vit_s_16_112 on photos/ (1,234 pairs) by the recipe laptop: images of 112 pixels."
    )


def test_the_recipe_of_the_generated_world_points_to_the_one_for_photos_of_ones_own():
    line = said("sandbox")
    assert "images of 48 pixels. It is made for the small generated world" in line and "--recipe laptop" in line
