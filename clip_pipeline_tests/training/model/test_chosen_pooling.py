"""A pooling that the settings choose instead of the model, seen on the models that are built."""

from __future__ import annotations

import pytest
import torch

from clip_pipeline.errors import SettingsError
from clip_pipeline.models import text_pooling
from clip_pipeline.models.pooled_image_encoder import pooling_of
from clip_pipeline.models.pooled_text_encoder import text_pooling_of_model
from clip_pipeline.models.registry import build_model, list_models, load_config
from clip_pipeline.models.token_pooling import KEY, KINDS
from clip_pipeline.pooling.orders import ORDERS
from clip_pipeline.settings import Recipe, with_settings
from clip_pipeline.settings.fields import find_field
from clip_pipeline.training.model.chosen_pooling import ChosenPooling, pooled_config
from clip_pipeline.training.options import architecture_of


def chosen(model: str, *assignments: str):
    recipe = with_settings(
        Recipe(), [f"training.model={model}", *(f"pooling.{assignment}" for assignment in assignments)]
    )
    return architecture_of(recipe.training, recipe.pooling)


def facts(config) -> dict:
    with torch.device("meta"):
        pooling = pooling_of(build_model(config))
    assert pooling is not None
    return pooling.facts()


def test_the_settings_know_every_kind_and_order_there_is():
    assert set(find_field("pooling.kind").choices) == {"", *KINDS, *text_pooling.KINDS}
    assert set(find_field("pooling.order").choices) == {"", *ORDERS}


@pytest.mark.parametrize("name", list_models())
def test_without_a_choice_the_model_is_the_named_one(name):
    assert pooled_config(load_config(name), name, ChosenPooling()) == load_config(name)


def test_a_plain_model_pools_as_the_settings_say():
    assert facts(chosen("laptop_vit", "kind=windows")) == {
        "kind": "windows", "after_layer": 1, "segments": 16, "tokens_of_a_segment": 4.0, "padding": 0.0,
        "tokens_of_layers": [65, *[17] * 5],
    }  # fmt: skip
    assert facts(chosen("laptop_vit", "kind=router", "target=8", "after_layer=3", "order=hilbert")) == {
        "kind": "router", "order": "hilbert", "after_layer": 3, "segments": 8, "tokens_of_a_segment": 8.0, "padding": 0.0,
        "tokens_of_layers": [65, 65, 65, 9, 9, 9],
    }  # fmt: skip
    assert KEY not in load_config("laptop_vit")["vision_cfg"], "the registry's own stays as it is"


def test_another_kind_keeps_what_the_model_says_and_has_use_for():
    own = facts(load_config("laptop_vit_pooled"))
    assert facts(chosen("laptop_vit_pooled", "kind=tome")) == {
        name: value for name, value in own.items() if name != "order"
    } | {"kind": "tome"}
    assert facts(chosen("laptop_vit_pooled", "order=raster")) == own | {"order": "raster"}
    assert facts(chosen("laptop_vit_pooled", "target=16"))["segments"] == 4


def test_a_target_takes_the_place_of_the_models_number_of_segments():
    config = load_config("laptop_vit_pooled")
    config["vision_cfg"][KEY] = {"kind": "fixed", "segments": 32}
    assert facts(pooled_config(config, "own", ChosenPooling(target=8)))["segments"] == 8
    assert facts(pooled_config(config, "own", ChosenPooling(kind="windows", target=4)))["segments"] == 16


def test_none_is_the_plain_model_which_open_clip_knows():
    assert chosen("laptop_vit_pooled", "kind=none") == load_config("laptop_vit")


def text_facts(model: str, *assignments: str) -> dict:
    config = chosen(model, "encoders=text", *assignments)
    with torch.device("meta"):
        built = build_model(config)
    pooling = text_pooling_of_model(built)
    assert pooling is not None and pooling_of(built) is None
    return pooling.facts()


def test_a_text_encoder_is_pooled_as_the_settings_say():
    assert text_facts("laptop_vit", "kind=router", "target=3") == {
        "tokens": "tokenizer", "kind": "router", "target": 3.0, "after_layer": 1, "max_segments": 12,
    }  # fmt: skip
    own = text_facts("laptop_bytes", "after_layer=1")
    assert (own["kind"], own["tokens"], own["convolution"], own["after_layer"]) == ("whitespace", "bytes", 5, 1)
    other = text_facts("laptop_bytes", "kind=fixed", "target=8")
    assert (other["kind"], other["tokens"], other["convolution"], other["target"]) == ("fixed", "bytes", 5, 8.0)
    assert text_facts("laptop_bytes", "kind=none")["kind"] == "none", "bytes stay bytes"
    assert chosen("laptop_vit", "encoders=text", "kind=none") == load_config("laptop_vit")


def test_a_text_encoder_that_others_trained_keeps_its_tokens():
    recipe = with_settings(Recipe(), ["training.init_from=somewhere", "pooling.encoders=text", "pooling.kind=fixed"])
    with pytest.raises(SettingsError, match=r"goes on from somewhere: its text encoder has learnt its own tokens"):
        architecture_of(recipe.training, recipe.pooling)


@pytest.mark.parametrize(
    ("model", "assignments", "sentence"),
    [
        ("laptop_vit", ["target=9"], r"pooling\.target is 9, but laptop_vit pools no tokens\. Set pooling\.kind to a kind"),
        ("laptop_vit", ["kind=none", "order=hilbert"], r"pooling\.order is hilbert, but pooling\.kind is none"),
        ("laptop_vit", ["kind=windows", "order=hilbert"], "order means nothing to the kind windows"),
        ("laptop_vit", ["kind=windows", "target=5"], "Squares of one size do not make 13 tokens of 8 × 8.*Set target to a square"),
        ("laptop_vit", ["kind=fixed", "target=1"], "1"),
        ("laptop_vit", ["kind=tome", "after_layer=6"], "after_layer is 6, and the image encoder has 6 layers"),
        ("vit_s_16_112", ["kind=gumbel", "order=hilbert"], "The order hilbert fits square grids of 2, 4, 8.*this one has 7 × 7"),
        ("laptop_vit", ["kind=whitespace"], 'no kind of token pooling called "whitespace"'),
        ("laptop_vit", ["encoders=text", "kind=whitespace"], "whitespace looks for spaces among bytes"),
        ("laptop_vit", ["encoders=text", "kind=windows"], 'laptop_vit with pooling.kind=windows: There is no kind of text pooling'),
        ("laptop_vit", ["encoders=text", "kind=fixed", "order=raster"], 'There is no entry "order"'),
        ("sandbox_small", ["kind=tome"], r"sandbox_small with pooling\.kind=tome: The image encoder is a ResNet;.*Leave pooling\.kind out"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_a_sentence(model, assignments, sentence):
    with pytest.raises(SettingsError, match=sentence):
        chosen(model, *assignments)
