"""The faults of the published from-scratch trainers that a model or its preprocessing can have, one test each.

Each test holds for every model of the package, at tiny widths where weights are needed. Where a fault can be made on
purpose it is made, so that the test is seen to tell it apart.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from clip_pipeline.models.preprocessing import preprocess_config
from clip_pipeline.models.registry import build_model, load_config
from clip_pipeline.settings import TrainingSettings
from clip_pipeline.training.objective.loss import clip_loss
from clip_pipeline.training.optim.optimizer import cap_logit_scale
from clip_pipeline_tests.models.zoo import TABLE, TOKENS, VOCABULARY, Encoder, scaled_down

VITS = [name for name, row in TABLE.items() if isinstance(row.image, Encoder)]
every_model = pytest.mark.parametrize("name", TABLE)
every_vit = pytest.mark.parametrize("name", VITS)


def small(name: str) -> torch.nn.Module:
    torch.manual_seed(0)
    return build_model(scaled_down(name)).eval()


def some_texts(count: int = 3) -> torch.Tensor:
    texts = torch.randint(1, VOCABULARY - 1, (count, TOKENS), generator=torch.Generator().manual_seed(1))
    texts[:, -1] = VOCABULARY - 1
    return texts


def open_clip_preprocess(config, is_train: bool = False):
    from open_clip.transform import PreprocessCfg, image_transform_v2

    described = preprocess_config(config)
    return image_transform_v2(PreprocessCfg(**described), is_train=is_train)


def a_photo(size: tuple[int, int] = (90, 60)) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))


def attention_of(block: torch.nn.Module, mask: torch.Tensor | None, tokens: int) -> torch.Tensor:
    """(heads, queries, keys) weights of one block on noise."""
    x = torch.randn(1, tokens, block.attn.embed_dim)
    with torch.no_grad():
        _, weights = block.attn(x, x, x, attn_mask=mask, need_weights=True, average_attn_weights=False)
    return weights[0]


@pytest.mark.slow
@every_model
def test_text_attention_is_normalised_over_the_keys(name):
    """One reference took the softmax over the queries: what a token read of the others did not sum to one."""
    model = small(name)
    for block in model.transformer.resblocks:
        weights = attention_of(block, model.attn_mask, TOKENS)
        assert torch.allclose(weights.sum(dim=-1), torch.ones(weights.shape[:2]), atol=1e-5)
        over_queries = weights.sum(dim=-2)
        assert not torch.allclose(over_queries, torch.ones_like(over_queries), atol=1e-2)


@every_model
def test_a_token_sees_none_that_comes_later(name):
    model = small(name)
    weights = attention_of(model.transformer.resblocks[0], model.attn_mask, TOKENS)
    assert torch.equal(weights.triu(1), torch.zeros_like(weights))
    assert (weights[:, -1] > 0).all(), "the last one sees them all"


@pytest.mark.slow
@every_model
def test_a_text_is_read_at_its_end_token_and_its_padding_changes_nothing(name):
    model, texts = small(name), some_texts()
    texts[:, 4], texts[:, 5:] = VOCABULARY - 1, 0
    other = texts.clone()
    other[:, 5:] = 7
    changed = texts.clone()
    changed[:, 3] = 9
    with torch.no_grad():
        assert torch.allclose(model.encode_text(texts), model.encode_text(other), atol=1e-6)
        assert not torch.allclose(model.encode_text(texts), model.encode_text(changed), atol=1e-3)


@pytest.mark.slow
@every_model
def test_the_order_of_the_words_matters(name):
    """A text encoder whose positions are lost reads a bag of words."""
    model, texts = small(name), some_texts(1)
    swapped = texts[:, [1, 0, *range(2, TOKENS)]]
    with torch.no_grad():
        one, two = (model.encode_text(rows, normalize=True) for rows in (texts, swapped))
    assert (one - two).norm() > 1e-3


@pytest.mark.slow
@every_model
def test_the_temperature_is_a_parameter_that_learns_and_is_capped(name):
    """One reference kept it as a plain number: it was in no optimizer and in no checkpoint."""
    model = small(name)
    assert isinstance(model.logit_scale, torch.nn.Parameter)
    assert model.logit_scale.requires_grad
    assert "logit_scale" in model.state_dict()
    assert model.logit_scale.exp().item() == pytest.approx(1 / 0.07)
    size = scaled_down(name)["vision_cfg"]["image_size"]
    images, texts = torch.randn(3, 3, size, size), some_texts()
    loss = clip_loss(
        model.encode_image(images, normalize=True),
        model.encode_text(texts, normalize=True),
        model.logit_scale.exp(),
    )
    loss.backward()
    assert float(model.logit_scale.grad) != 0
    with torch.no_grad():
        model.logit_scale.fill_(10.0)
    cap_logit_scale(model, TrainingSettings().max_logit_scale)
    assert model.logit_scale.exp().item() == pytest.approx(100.0, rel=1e-5)


@every_model
def test_pixels_are_normalised_before_the_model_sees_them(name):
    """One reference fed 0 to 255."""
    config = load_config(name)
    seen = open_clip_preprocess(config)(a_photo())
    assert seen.shape == (3, TABLE[name].px, TABLE[name].px)
    assert seen.dtype == torch.float32
    assert -1.5 < float(seen.min()) < 0 < float(seen.max()) < 1.5  # bicubic filtering may overshoot a little
    black = open_clip_preprocess(config)(Image.new("RGB", (40, 30)))
    white = open_clip_preprocess(config)(Image.new("RGB", (40, 30), "white"))
    assert (float(black.mean()), float(white.mean())) == pytest.approx((-1.0, 1.0))


def share_of_positions(model: torch.nn.Module, pixels: torch.Tensor) -> float:
    """How large the positions stand beside the patches in what the first layer is given."""
    with torch.no_grad():
        patches = model.visual.conv1(pixels[None])
    return (model.visual.positional_embedding.std() / patches.std()).item()


@pytest.mark.slow
@every_vit
def test_positions_are_visible_beside_the_patches(name):
    """Beside unnormalised pixels they were a thousandth: the image encoder saw a bag of patches."""
    config = load_config(name)
    config["text_cfg"].update(layers=1, width=config["text_cfg"]["heads"] * 2, vocab_size=10)
    config["vision_cfg"]["layers"] = 1  # positions and patches are those of the real width
    config["vision_cfg"].pop("token_pooling", None)  # needs two
    torch.manual_seed(0)
    model = build_model(config)
    photo = open_clip_preprocess(config)(a_photo((300, 240)))
    assert share_of_positions(model, photo) > 0.03
    assert share_of_positions(model, (photo + 1) * 127.5) < 0.01, "the fault, made on purpose"


@every_vit
def test_the_order_of_the_patches_matters(name):
    """The same photo with its patches rolled by one place is another image to the model."""
    model, config = small(name), scaled_down(name)
    size, patch = config["vision_cfg"]["image_size"], config["vision_cfg"]["patch_size"]
    pixels = torch.rand(1, 3, size, size) * 2 - 1
    with torch.no_grad():
        here = model.encode_image(pixels, normalize=True)
        there = model.encode_image(pixels.roll(patch, dims=-1), normalize=True)
    assert (here - there).norm() > 0.01


@pytest.mark.slow
@every_model
def test_nothing_is_left_to_chance_in_evaluation(name):
    """One reference dropped units out and cropped at random while it evaluated."""
    model = small(name)
    config = scaled_down(name)
    preprocess = open_clip_preprocess(config)
    photo = a_photo((200, 90))
    one, two = preprocess(photo), preprocess(photo)
    assert torch.equal(one, two)
    texts = some_texts()
    with torch.no_grad():
        assert torch.equal(model.encode_image(one[None]), model.encode_image(two[None]))
        assert torch.equal(model.encode_text(texts), model.encode_text(texts))
    assert not any("Random" in type(step).__name__ for step in preprocess.transforms)
    assert any("Random" in type(step).__name__ for step in open_clip_preprocess(config, is_train=True).transforms), (
        "a random crop would have been seen"
    )


@pytest.mark.slow
@every_model
def test_evaluation_of_one_photo_does_not_depend_on_its_neighbours(name):
    """Batch statistics at evaluation would make a score depend on the batch size."""
    model, size = small(name), scaled_down(name)["vision_cfg"]["image_size"]
    images = torch.randn(5, 3, size, size, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        together, alone = model.encode_image(images), model.encode_image(images[:1])
    assert torch.allclose(together[:1], alone, atol=1e-5)
