"""What a configuration says of token pooling, and what it cannot say."""

from __future__ import annotations

import copy
import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from clip_pipeline.errors import ModelError
from clip_pipeline.models.folder import CONFIG_FILE, WEIGHTS_FILE, load_model_folder
from clip_pipeline.models.pooled_image_encoder import pooling_of
from clip_pipeline.models.registry import build_model, image_size_of, load_config
from clip_pipeline.models.token_pooling import KINDS, token_pooling_of
from clip_pipeline.models.torchvision_operators import load_open_clip
from clip_pipeline_tests.made.tiny_model import build_tiny_model

VIT = {"image_size": 48, "patch_size": 8, "layers": 6, "width": 64}  # a grid of 6 × 6


def said(pooling, **vision):
    config = {"vision_cfg": VIT | vision | {"token_pooling": pooling}}
    return token_pooling_of(config["vision_cfg"], image_size_of(config), "mine.json")


def test_nothing_said_is_no_pooling():
    assert token_pooling_of(VIT, (48, 48), "mine.json") is None


def test_what_is_not_said_is_a_quarter_of_the_tokens_after_a_quarter_of_the_layers_to_and_fro():
    pooling = said({"kind": "gumbel"})
    assert (pooling.segments, pooling.after_layer, pooling.order) == (9, 1, "serpentine")
    assert pooling.tokens_of_layers() == [37, 10, 10, 10, 10, 10]
    assert pooling.facts() == {
        "kind": "gumbel", "order": "serpentine", "after_layer": 1, "segments": 9, "tokens_of_a_segment": 4.0, "padding": 0.0,
        "tokens_of_layers": [37, 10, 10, 10, 10, 10],
    }  # fmt: skip


@pytest.mark.parametrize(("target", "segments"), [(4, 9), (5, 8), (2.5, 15), (36, 1), (100, 1)])
def test_a_target_is_tokens_that_become_one(target, segments):
    assert said({"kind": "tome", "target": target}).segments == segments


def test_an_image_may_be_no_square():
    pooling = said({"kind": "windows"}, image_size=[32, 48], patch_size=[8, 4])
    assert (pooling.rows, pooling.columns, pooling.segments, pooling.side) == (4, 12, 12, 2)


@pytest.mark.parametrize(
    ("pooling", "vision", "sentence"),
    [
        ("windows", {}, 'mine.json: token_pooling is no table with a kind. Expected one such as {"kind": "windows"}.'),
        ({"kind": "gumble"}, {}, 'There is no kind of token pooling called "gumble". Did you mean "gumbel"?'),
        ({"kind": "tome", "layer": 2}, {}, 'There is no entry "layer". Did you mean "after_layer"?'),
        ({"kind": "tome", "segments": 37}, {}, "segments is 37, and there are 36 tokens, 6 × 6. Set it to 1 to 36."),
        ({"kind": "tome", "segments": 0}, {}, "segments is 0, and there are 36 tokens, 6 × 6. Set it to 1 to 36."),
        ({"kind": "router", "target": 1}, {}, "The target is 1 tokens a segment: pooling begins above 1."),
        ({"kind": "router", "target": "many"}, {}, "target is 'many', expected how many tokens become one"),
        ({"kind": "tome", "target": 4, "segments": 9}, {}, "Give one of them."),
        ({"kind": "fixed", "order": "hilbert"}, {}, "this one has 6 × 6. Take serpentine"),
        ({"kind": "fixed", "order": "spiral"}, {}, 'There is no order "spiral".'),
        ({"kind": "windows", "order": "raster"}, {}, "order means nothing to the kind windows"),
        ({"kind": "none", "target": 4}, {}, "With the kind none, target would mean nothing."),
        ({"kind": "windows", "target": 5}, {}, "Squares of one size do not make 8 tokens of 6 × 6."),
        ({"kind": "windows", "target": 16}, {}, "Squares of one size do not make 3 tokens of 6 × 6."),
        ({"kind": "tome", "after_layer": 6}, {}, "after_layer is 6, and the image encoder has 6 layers"),
        ({"kind": "tome"}, {"layers": 1}, "and the image encoder has 1 layer: pooling needs a layer before it"),
        ({"kind": "tome", "after_layer": -1}, {}, "after_layer is '-1', expected a whole number."),
        ({"kind": "tome"}, {"layers": [1, 1, 1, 1]}, "The image encoder is a ResNet; only the tokens of open_clip's own ViT"),
        ({"kind": "tome"}, {"timm_model_name": "convnext_atto"}, "The image encoder is convnext_atto;"),
        ({"kind": "tome"}, {"pool_type": "avg"}, "The image encoder has pool_type = avg;"),
        ({"kind": "tome"}, {"qk_norm": True}, "The image encoder has qk_norm = True;"),
        ({"kind": "tome"}, {"patch_dropout": 0.5}, "patch_dropout leaves holes in the grid"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_a_sentence(pooling, vision, sentence):
    with pytest.raises(ModelError) as error:
        said(pooling, **vision)
    assert sentence in str(error.value) and "mine.json" in str(error.value)


ANYTHING = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.lists(st.integers(), max_size=3)
)
SIZES = (
    st.integers(-2, 20)
    | st.sampled_from([10**400, 1e308, "8", True, None, 500])
    | st.lists(st.integers(-1, 12), max_size=3)
)


@settings(max_examples=300, deadline=None)
@given(
    kind=st.sampled_from(KINDS) | ANYTHING,
    entries=st.dictionaries(st.sampled_from(["target", "segments", "after_layer", "order"]), SIZES | ANYTHING),
    vision=st.dictionaries(st.sampled_from(["patch_size", "width"]), SIZES | ANYTHING),
    layers=st.integers(-2, 30) | st.sampled_from(["6", True, None, 2.0, [2, 2]]),
    side=st.integers(1, 64),
)
def test_whatever_is_said_is_a_pooling_that_can_be_or_a_sentence(kind, entries, vision, layers, side):
    try:
        pooling = said({"kind": kind} | entries, **{"image_size": side, "layers": layers} | vision)
    except ModelError as error:
        assert str(error).startswith("mine.json, token_pooling: ") and str(error)[-1] in ".?"
        return
    assert pooling is not None and 1 <= pooling.segments <= pooling.rows * pooling.columns
    assert kind == "none" or 1 <= pooling.after_layer < pooling.layers
    assert len(pooling.tokens_of_layers()) == pooling.layers


@pytest.fixture(scope="module")
def plain_folder(tmp_path_factory):
    """A model folder with a ViT of three layers."""
    return build_tiny_model(tmp_path_factory.mktemp("plain"), vision={"layers": 3})


def pooled_copy(plain_folder, folder, **pooling):
    """The same weights with a table of pooling, as a folder."""
    from safetensors.torch import load_file, save_file

    folder.mkdir()
    for path in plain_folder.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    described = json.loads((folder / CONFIG_FILE).read_text())
    described["model_cfg"]["vision_cfg"]["token_pooling"] = pooling
    (folder / CONFIG_FILE).write_text(json.dumps(described))
    torch.manual_seed(1)
    model = build_model(described["model_cfg"])
    model.load_state_dict(load_file(plain_folder / WEIGHTS_FILE), strict=False)
    save_file(dict(sorted(model.state_dict().items())), folder / WEIGHTS_FILE, metadata={"format": "pt"})
    return folder, model.eval()


def test_a_folder_is_loaded_and_plain_open_clip_refuses_it(plain_folder, tmp_path):
    folder, built = pooled_copy(plain_folder, tmp_path / "pooled", kind="router", order="hilbert")
    model, _, _ = load_model_folder(folder)
    photos = torch.randn(3, 3, 16, 16)
    with torch.no_grad():
        assert torch.equal(model.encode_image(photos), built.encode_image(photos))
    assert pooling_of(model).facts()["kind"] == "router"
    open_clip = load_open_clip()
    with pytest.raises(TypeError, match="token_pooling"):
        open_clip.create_model(f"local-dir:{folder}")
    assert pooling_of(open_clip.create_model(f"local-dir:{plain_folder}")) is None


@pytest.mark.parametrize(("kind", "other"), [("gumbel", "router"), ("gumbel", "windows"), ("windows", "gumbel")])
def test_weights_of_another_kind_are_refused(kind, other, plain_folder, tmp_path):
    folder, _ = pooled_copy(plain_folder, tmp_path / "pooled", kind=kind)
    described = json.loads((folder / CONFIG_FILE).read_text())
    described["model_cfg"]["vision_cfg"]["token_pooling"] = {"kind": other}
    (folder / CONFIG_FILE).write_text(json.dumps(described))
    with pytest.raises(ModelError, match=r"(lacks|has the unknown) visual\.token_pooling\.predictor\."):
        load_model_folder(folder)


def test_what_a_folder_says_wrongly_names_the_file(plain_folder, tmp_path):
    folder, _ = pooled_copy(plain_folder, tmp_path / "pooled", kind="windows")
    described = json.loads((folder / CONFIG_FILE).read_text())
    described["model_cfg"]["vision_cfg"]["token_pooling"] = {"kind": "windows", "segments": 17}
    (folder / CONFIG_FILE).write_text(json.dumps(described))
    with pytest.raises(
        ModelError, match=r"open_clip_config\.json, token_pooling: segments is 17, and there are 16 tokens"
    ):
        load_model_folder(folder)


def test_a_configuration_that_cannot_be_is_refused_before_it_is_built():
    config = copy.deepcopy(load_config("sandbox_small"))
    config["vision_cfg"]["token_pooling"] = {"kind": "windows"}
    with pytest.raises(ModelError, match="is a ResNet"):
        build_model(config)
