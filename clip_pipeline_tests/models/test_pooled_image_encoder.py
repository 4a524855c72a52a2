"""The image encoder that pools its tokens, beside open_clip's own and beside loops over photos and tokens."""

from __future__ import annotations

import copy
from itertools import pairwise
from typing import Any

import pytest
import torch

from clip_pipeline.errors import ModelError
from clip_pipeline.models.layers import encoder_layers
from clip_pipeline.models.pooled_image_encoder import pooling_of
from clip_pipeline.models.registry import build_model, load_config
from clip_pipeline.pooling.orders import grid_order

LEARNT = ("gumbel", "router")
ALL_KINDS = ("windows", "fixed", *LEARNT, "tome")


def config_of(**pooling: Any) -> dict[str, Any]:
    """A ViT of three layers on a grid of 4 × 4."""
    config = copy.deepcopy(load_config("tiny_test"))
    config["vision_cfg"] |= {"layers": 3} | ({"token_pooling": pooling} if pooling else {})
    return config


def made(seed: int = 0, **pooling: Any) -> Any:
    torch.manual_seed(seed)
    model = build_model(config_of(**pooling)).eval()
    with torch.no_grad():  # as after some training: tokens unlike, and attention that looks at some more than at others
        for block in model.visual.transformer.resblocks:
            block.attn.in_proj_weight *= 4
    return model


@pytest.fixture(scope="module")
def photos() -> torch.Tensor:
    return torch.randn(64, 3, 16, 16, generator=torch.Generator().manual_seed(1))


def vectors(model: Any, photos: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return model.encode_image(photos)


def test_without_pooling_the_vectors_are_those_of_open_clip(photos):
    assert torch.equal(vectors(made(kind="none"), photos), vectors(made(), photos))


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_as_many_segments_as_tokens_are_the_plain_encoder(kind, photos):
    pooled = made(kind=kind, segments=16)
    assert torch.allclose(vectors(pooled, photos), vectors(made(), photos), atol=1e-5)


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_weights_of_a_plain_encoder_fit(kind):
    plain, pooled = made(seed=1).state_dict(), made(seed=2, kind=kind)
    missing, unknown = pooled.load_state_dict(plain, strict=False)
    assert not unknown
    assert all(name.startswith("visual.token_pooling.predictor.") for name in missing)
    assert bool(missing) == (kind in LEARNT)


def test_the_same_seed_gives_the_weights_that_are_shared():
    torch.manual_seed(3)
    plain = build_model(config_of()).state_dict()
    torch.manual_seed(3)
    pooled = build_model(config_of(kind="gumbel")).state_dict()
    assert all(torch.equal(pooled[name], weight) for name, weight in plain.items())


def slow_vectors(model: Any, photos: torch.Tensor, after: int, stretches: Any) -> torch.Tensor:
    """Photo by photo, token by token; attention is torch's own with a whole matrix of biases. stretches: tokens → lists of their numbers."""
    rows = []
    visual = model.visual
    blocks, width = list(visual.transformer.resblocks), visual.transformer.width
    for photo in photos:
        x = visual._embeds(photo[None])
        for block in blocks[:after]:
            x = block(x)
        groups = stretches(x[0, 1:])
        sizes = torch.tensor([1.0, *map(len, groups)])
        means = [sum(x[0, 1 + number] for number in group) / len(group) for group in groups]
        x = torch.stack([x[0, 0], *means])[None]
        assert x.shape == (1, len(groups) + 1, width)
        mask = sizes.log().expand(len(sizes), -1)
        for block in blocks[after:]:
            normed = block.ln_1(x)
            x = x + block.attn(normed, normed, normed, attn_mask=mask)[0]
            x = x + block.mlp(block.ln_2(x))
        rows.append(visual.ln_post(x[0, 0]) @ visual.proj)
    return torch.stack(rows)


def test_windows_are_means_of_squares(photos):
    squares = [[4 * r + c, 4 * r + c + 1, 4 * r + c + 4, 4 * r + c + 5] for r in (0, 2) for c in (0, 2)]
    model = made(kind="windows", after_layer=2)
    assert torch.allclose(vectors(model, photos[:9]), slow_vectors(model, photos[:9], 2, lambda _: squares), atol=1e-5)


@pytest.mark.parametrize("order", ["raster", "serpentine", "hilbert"])
def test_fixed_stretches_follow_the_order(order, photos):
    numbers = grid_order(order, 4, 4).tolist()
    stretches = [sorted(numbers[at] for at in range(16) if at * 5 // 16 == segment) for segment in range(5)]
    model = made(kind="fixed", segments=5, order=order)
    assert torch.allclose(
        vectors(model, photos[:9]), slow_vectors(model, photos[:9], 1, lambda _: stretches), atol=1e-5
    )


@pytest.mark.parametrize("order", ["raster", "serpentine", "hilbert"])
@pytest.mark.parametrize("kind", LEARNT)
def test_learnt_stretches_end_where_the_predictor_wants_most(kind, order, photos):
    model = made(kind=kind, order=order)
    predictor, numbers = model.visual.token_pooling.predictor, grid_order(order, 4, 4).tolist()

    def stretches(tokens: torch.Tensor) -> list[list[int]]:
        read = tokens[numbers]
        if kind == "gumbel":
            wanted = predictor.mlp(read)[:, 0].tolist()
        else:
            keys, queries = predictor.keys(read), predictor.queries(read)
            alike = [torch.nn.functional.cosine_similarity(queries[at], keys[at + 1], dim=0) for at in range(15)]
            wanted = [-value.item() for value in alike]
        ends = sorted(sorted(range(15), key=lambda at: -wanted[at])[:3]) + [15]
        return [numbers[start:end] for start, end in pairwise([0, *(end + 1 for end in ends)])]

    assert torch.allclose(vectors(model, photos[:9]), slow_vectors(model, photos[:9], 1, stretches), atol=1e-5)


def test_the_most_alike_tokens_become_one(photos):
    """Three rounds at most: each of the odd tokens looks for its likest among the even ones, by the next layer's keys."""
    model = made(kind="tome", segments=13)
    block = model.visual.transformer.resblocks[1]

    def stretches(tokens: torch.Tensor) -> list[list[int]]:
        weight, bias = block.attn.in_proj_weight[32:64], block.attn.in_proj_bias[32:64]
        keys = (block.ln_1(tokens) @ weight.T + bias).unflatten(-1, (2, 16)).mean(1)
        pairs = []
        for odd in range(1, 16, 2):
            alike = [
                torch.nn.functional.cosine_similarity(keys[odd], keys[even], dim=0).item() for even in range(0, 16, 2)
            ]
            best = max(range(8), key=alike.__getitem__)
            pairs.append((alike[best], odd, 2 * best))
        groups = {number: [number] for number in range(16)}
        for _, odd, even in sorted(pairs, reverse=True)[:3]:
            groups[even] += groups.pop(odd)
        return list(groups.values())

    assert torch.allclose(vectors(model, photos[:9]), slow_vectors(model, photos[:9], 1, stretches), atol=1e-5)


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_a_photo_has_its_vector_alone_in_any_batch_and_at_any_place(kind, photos):
    model = made(kind=kind)
    together = vectors(model, photos)
    alone = torch.cat([vectors(model, photos[at : at + 1]) for at in range(64)])
    assert torch.allclose(alone, together, atol=1e-5)
    order = torch.randperm(64, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(vectors(model, photos[order]), together[order], atol=1e-5)
    assert torch.equal(vectors(model, photos), together), "twice the same"


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_layers_after_the_pooling_see_fewer_tokens(kind, photos):
    model, seen = made(kind=kind, after_layer=2), []
    for block in model.visual.transformer.resblocks:
        block.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].shape[1]))
    vectors(model, photos[:2])
    assert seen == [17, 17, 5] == pooling_of(model).tokens_of_layers()


@pytest.mark.parametrize("kind", LEARNT)
def test_the_loss_moves_the_boundaries(kind, photos):
    model = made(kind=kind).train()
    reducer, seen = model.visual.token_pooling, []
    reducer.register_forward_hook(lambda _, inputs, output: seen.append(output[1]))
    before = [weight.clone() for weight in reducer.predictor.parameters()]
    optimizer = torch.optim.Adam(reducer.predictor.parameters(), lr=0.01)
    vectors(model.eval(), photos)
    for _ in range(5):
        torch.manual_seed(0)
        optimizer.zero_grad()
        model.train().encode_image(photos)[:, 0].sum().backward()
        assert all(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in reducer.predictor.parameters())
        optimizer.step()
    vectors(model.eval(), photos)
    assert all(not torch.equal(was, now) for was, now in zip(before, reducer.predictor.parameters(), strict=True))
    assert not torch.equal(seen[0], seen[-1]), "other stretches than before"


def test_gumbel_draws_in_training_alone(photos):
    model = made(kind="gumbel").train()
    torch.manual_seed(0)
    first, second = model.encode_image(photos), model.encode_image(photos)
    torch.manual_seed(0)
    assert not torch.allclose(first, second, atol=1e-3)
    assert torch.equal(model.encode_image(photos), first)


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_gradients_are_the_same_when_activations_are_computed_again(kind, photos):
    model = made(kind=kind).train()
    found = []
    for again in (False, True):
        torch.manual_seed(0)
        model.set_grad_checkpointing(again)
        model.zero_grad()
        model.encode_image(photos[:8])[:, 0].sum().backward()
        found.append([weight.grad.clone() for weight in model.visual.parameters()])
    assert all(torch.allclose(one, two, atol=1e-6) for one, two in zip(*found, strict=True))


def test_the_predictor_goes_with_the_layer_behind_it():
    layers = encoder_layers(made(kind="gumbel", after_layer=2).visual)
    assert len(layers.blocks) == 3
    assert {place for name, place in layers.layer_of.items() if name.startswith("token_pooling.")} == {3}


def test_pooled_tokens_are_no_grid_to_be_shown(photos):
    with pytest.raises(ModelError, match="make no grid"):
        made(kind="tome").visual.forward_intermediates(photos[:1])
