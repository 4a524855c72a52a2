"""Vectors of texts without padding and without rows that nobody looks at, against open_clip's own text encoder."""

from __future__ import annotations

import copy

import pytest
import torch

from clip_pipeline.models.registry import build_model, load_config
from clip_pipeline.models.text_features import block_at, features_by_length, is_plain, lengths_of, text_features
from clip_pipeline.training.model.encode import encode_captions

PAD = 0


def model_of(layers: int = 2, **text: object):
    torch.manual_seed(0)
    config = copy.deepcopy(load_config("tiny_test"))
    config["text_cfg"] |= {"layers": layers, **text}
    model = build_model(config).double().eval()
    for parameter in model.parameters():  # biases and norms begin as nought and one, and would hide what is left out
        torch.nn.init.normal_(parameter, std=0.2)
    return model


def captions_of(model, count: int = 7) -> torch.Tensor:
    """Captions of different lengths that end with the highest id, some with padding among their words."""
    tokens = torch.zeros(count, model.context_length, dtype=torch.long)
    generator = torch.Generator().manual_seed(3)
    for row, length in zip(tokens, range(2, 2 + count), strict=True):
        row[:length] = torch.randint(1, 200, (length,), generator=generator)
        row[length // 2] = PAD
        row[length] = 299
    return tokens


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("text", [{}, {"pool_type": "eos", "eos_id": 299}])
def test_embeddings_and_gradients_are_those_of_open_clip(layers, text):
    ours, theirs = model_of(layers, **text), model_of(layers, **text)
    tokens = captions_of(ours)
    assert is_plain(ours.transformer)
    found = encode_captions(ours, tokens)
    expected = torch.nn.functional.normalize(theirs.encode_text(tokens).float(), dim=-1)
    assert torch.allclose(found, expected, atol=1e-6)
    weights = torch.randn(found.shape, generator=torch.Generator().manual_seed(1))
    (found * weights).sum().backward(), (expected * weights).sum().backward()
    for (name, one), other in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        if other.grad is not None:
            assert torch.allclose(one.grad, other.grad, atol=1e-6, rtol=1e-5), name


def test_each_row_is_that_of_the_whole_block():
    model = model_of(1)
    block = model.transformer.resblocks[0]
    x = torch.randn(5, 9, model.transformer.width, dtype=torch.float64)
    places = torch.tensor([0, 8, 3, 5, 1])
    whole = block(x, attn_mask=model.attn_mask[:9, :9].double())
    assert torch.allclose(block_at(block, x, places), whole[torch.arange(5), places])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_products_in_half_precision_err_no_more_than_in_open_clips_own_encoder(dtype):
    model = model_of().float()
    tokens = captions_of(model)
    full = encode_captions(model, tokens)
    with torch.autocast("cpu", dtype):
        ours = encode_captions(model, tokens)
        theirs = torch.nn.functional.normalize(model.encode_text(tokens).float(), dim=-1)
    assert ours.dtype == torch.float32 and not torch.equal(ours, full)
    assert (ours - full).abs().mean() < 1.5 * (theirs - full).abs().mean()


@pytest.mark.slow
def test_a_encoder_that_computes_activations_twice_or_is_compiled_is_left_alone():
    model = model_of()
    model.set_grad_checkpointing(True)
    assert not is_plain(model.transformer)
    model.set_grad_checkpointing(False)
    model.transformer.compile()
    assert not is_plain(model.transformer)


def many_captions(model, count: int) -> torch.Tensor:
    tokens = captions_of(model, model.context_length - 2).repeat(count // (model.context_length - 2) + 1, 1)[:count]
    return tokens[torch.randperm(count, generator=torch.Generator().manual_seed(4))]


@pytest.mark.parametrize("count", [1, 63, 64, 130])
@pytest.mark.parametrize("text", [{}, {"no_causal_mask": True}, {"proj_bias": True}])
def test_rows_of_like_length_together_have_the_vectors_and_gradients_of_all_at_once(count, text):
    ours, theirs = model_of(**text), model_of(**text)
    tokens = many_captions(ours, count)
    found, expected = features_by_length(ours, tokens), theirs.encode_text(tokens)
    assert torch.nn.functional.cosine_similarity(found, expected).min() > 1 - 1e-9
    weights = torch.randn(found.shape, generator=torch.Generator().manual_seed(1), dtype=found.dtype)
    (found * weights).sum().backward(), (expected * weights).sum().backward()
    for (name, one), other in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        if other.grad is not None:
            assert torch.allclose(one.grad, other.grad, atol=1e-6, rtol=1e-6), name


def test_a_large_batch_is_cut_into_four_whose_columns_follow_their_longest_rows():
    model, seen = model_of(), []
    model.transformer.resblocks[0].register_forward_pre_hook(lambda _, inputs: seen.append(tuple(inputs[0].shape[:2])))
    features_by_length(model, many_captions(model, 160))
    assert [rows for rows, _ in seen] == [40] * 4
    columns = [width for _, width in seen]
    assert columns == sorted(columns) and columns[0] < columns[-1] == 12
    seen.clear()
    features_by_length(model, many_captions(model, 63)), features_by_length(model, many_captions(model, 160), 1)
    assert [rows for rows, _ in seen] == [63, 160], "smaller parts than 32 cost more than their padding"


def test_a_length_is_what_stands_before_the_padding():
    rows = [[5, 3, 9, 0, 0], [5, 0, 9, 0, 0], [5, 3, 3, 3, 9], [9, 9, 9, 9, 9], [5, 2, 9, 9, 9]]
    assert lengths_of(torch.tensor(rows)).tolist() == [3, 3, 4, 0, 2]


def test_a_model_in_half_precision_is_looked_at_in_its_own():
    model = model_of().bfloat16()
    tokens = many_captions(model, 9)
    with torch.no_grad():
        found, expected = text_features(model, tokens), model.encode_text(tokens)
    assert found.dtype == expected.dtype == torch.bfloat16
    assert torch.nn.functional.cosine_similarity(found.float(), expected.float()).min() > 0.99
