"""The models there are to train: encoders, sizes, costs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from clip_pipeline.models.registry import list_models as names_of_models
from clip_pipeline.models.zoo import ModelFacts, describe_model, known_facts
from clip_pipeline.settings.chosen_recipe import Settings, recipe_of
from clip_pipeline.training.options import architecture_of


def list_models(names: Sequence[str | Path] = (), *, settings: Settings = ()) -> list[ModelFacts]:
    """Facts of the named models, of all that come with the package, or of the one that the settings of `training` and `pooling` describe.

    names: of the package, or open_clip configurations (.json files, model folders). settings: such as
    {"training.model": "vit_s_16_112", "training.text_layers": 4}. GFLOPs are of one image or text, forward, a multiply and
    an add counted as two. Those of the package are known; any other is built on torch's meta device and counted. Raises
    ModelError for an unknown or unusable configuration, SettingsError.
    """
    facts = [known_facts(name) or describe_model(name) for name in names or ([] if settings else names_of_models())]
    if settings:
        recipe = recipe_of("", settings)
        facts.append(describe_model(recipe.training.model, architecture_of(recipe.training, recipe.pooling)))
    return facts
