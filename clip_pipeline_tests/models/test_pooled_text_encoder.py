"""The text encoder on segments, beside open_clip's own and beside loops over texts and bytes."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from clip_pipeline.errors import ModelError
from clip_pipeline.models.pooled_text_encoder import text_pooling_of_model
from clip_pipeline.models.registry import build_model, load_config
from clip_pipeline.models.zoo import describe_model
from clip_pipeline.text.byte_tokenizer import ByteTokenizer

LENGTH = 64
WORDS = {"tokens": "bytes", "kind": "whitespace"}
OF_BYTES: dict[str, dict[str, Any]] = {
    "words": WORDS,
    "words after a layer": WORDS | {"after_layer": 1},
    "few words": WORDS | {"segments": 6},
    "no convolution": WORDS | {"convolution": 0},
    "fixed": {"tokens": "bytes", "kind": "fixed", "target": 5},
    "router": {"tokens": "bytes", "kind": "router", "target": 3.5},
    "router after a layer": {"tokens": "bytes", "kind": "router", "after_layer": 2},
    "none": {"tokens": "bytes", "kind": "none"},
}
OF_TOKENS: dict[str, dict[str, Any]] = {
    "fixed": {"kind": "fixed"},
    "router": {"kind": "router", "target": 3},
    "none": {"kind": "none"},
}
TEXTS = [
    "a red cup", "", "x", "a dog runs over the wet grass by the sea", "ein hündchen läuft", "日本語のテキストに空白はない", "aaaaaaaaaaaaaaaaaaaa",
    "i a m s o m a n y w o r d s t h a t n o b o d y w a n t s a l l", "a very " * 20, "two", "three words here", "four words are here",
]  # fmt: skip


def config_of(pooling: dict[str, Any] | None, vocabulary: int = 259, **text: Any) -> dict[str, Any]:
    """A text encoder of three layers."""
    config = copy.deepcopy(load_config("tiny_test"))
    config |= {"custom_text": True}
    config["text_cfg"] |= {"layers": 3, "context_length": LENGTH, "vocab_size": vocabulary} | text
    config["text_cfg"] |= {"token_pooling": pooling} if pooling else {}
    return config


def made(pooling: dict[str, Any] | None, vocabulary: int = 259, seed: int = 0, **text: Any) -> Any:
    torch.manual_seed(seed)
    model = build_model(config_of(pooling, vocabulary, **text)).eval()
    with torch.no_grad():  # as after some training: tokens unlike, and attention that looks at some more than at others
        for name, weight in model.text.named_parameters():
            weight.mul_(4 if "in_proj_weight" in name else 3 if "positional" in name else 1)
    return model


def ids(texts: list[str] = TEXTS) -> torch.Tensor:
    return ByteTokenizer(LENGTH)(texts)


def rows_of_a_tokenizer(count: int = 12) -> torch.Tensor:
    """Rows of 1 to `count` tokens, whose end has the highest id."""
    tokens = torch.randint(1, 298, (count, LENGTH), generator=torch.Generator().manual_seed(1))
    for row in range(count):
        tokens[row, 5 * row + 1] = 299
        tokens[row, 5 * row + 2 :] = 0
    return tokens


def vectors(model: Any, tokens: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return model.encode_text(tokens, normalize=True)


def near(one: torch.Tensor, two: torch.Tensor) -> bool:
    return bool((F.cosine_similarity(one, two, dim=-1) > 1 - 1e-6).all())


@pytest.mark.parametrize("causal", [True, False], ids=["causal", "both ways"])
@pytest.mark.parametrize("kind", OF_BYTES)
def test_a_text_has_its_vector_alone_in_any_batch_and_at_any_place(kind, causal):
    model, tokens = made(OF_BYTES[kind], no_causal_mask=not causal), ids()
    together = vectors(model, tokens)
    assert near(torch.cat([vectors(model, row[None]) for row in tokens]), together)
    order = torch.randperm(len(tokens), generator=torch.Generator().manual_seed(0))
    assert near(vectors(model, tokens[order]), together[order])
    assert torch.equal(vectors(model, tokens), together), "twice the same"
    assert near(vectors(model, ids(TEXTS[:7])), together[:7])
    different = torch.cdist(together, together) + torch.eye(len(together))
    assert different.min() > 1e-3, "and another vector than any other text"


@pytest.mark.parametrize("kind", OF_TOKENS)
def test_so_has_a_row_of_tokens(kind):
    model, tokens = made(OF_TOKENS[kind], 300), rows_of_a_tokenizer()
    together = vectors(model, tokens)
    assert near(torch.cat([vectors(model, row[None]) for row in tokens]), together)
    changed = torch.where(tokens.argmax(1, keepdim=True) < torch.arange(LENGTH), torch.tensor(7), tokens)
    assert near(vectors(model, changed), together), "what lies behind the end changes nothing"


def test_without_pooling_the_vectors_are_those_of_open_clip():
    plain, none = made(None, 300), made(OF_TOKENS["none"], 300)
    assert near(vectors(none, rows_of_a_tokenizer()), vectors(plain, rows_of_a_tokenizer()))


def slow_vector(model: Any, row: torch.Tensor, segments: list[list[int]], after: int, taps: int) -> torch.Tensor:
    """One text, byte by byte and head by head; attention is torch's own with a whole matrix of biases."""
    text = model.text
    end = int(row.argmax())

    def table(tap: int) -> torch.Tensor:
        order = [0, *range(-(taps // 2), 0), *range(1, taps // 2 + 1)]
        place = order.index(tap)
        return text.token_embedding.weight if not place else text.token_pooling.taps[place - 1]

    def neighbour(at: int) -> int:
        return int(row[at]) if 0 <= at <= end else 0

    x: Any = []
    for at in range(end + 1):
        if not taps:
            x.append(text.token_embedding.weight[row[at]])
            continue
        seen: Any = sum(table(tap)[neighbour(at + tap)] for tap in range(-(taps // 2), taps // 2 + 1))
        x.append(F.gelu(16 * seen))
    x = torch.stack(x)
    project = text.token_pooling.out if taps else torch.nn.Identity()

    def layer(block: Any, x: torch.Tensor, sizes: torch.Tensor) -> torch.Tensor:
        mask = sizes.log().expand(len(sizes), -1) + torch.full((len(sizes),) * 2, float("-inf")).triu(1)
        normed = block.ln_1(x)[None]
        x = x + block.attn(normed, normed, normed, attn_mask=mask)[0][0]
        return x + block.mlp(block.ln_2(x))

    blocks = list(text.transformer.resblocks)
    if after:
        x = project(x) + text.positional_embedding[: len(x)]
        for block in blocks[:after]:
            x = layer(block, x, torch.ones(len(x)))
    sizes = torch.tensor([float(len(one)) for one in segments])
    z = torch.stack([sum(x[at] for at in one) / len(one) for one in segments])
    if not after:
        z = project(z) + text.positional_embedding[: len(z)]
    for block in blocks[after:]:
        z = layer(block, z, sizes)
    return F.normalize(text.ln_final(z[-1]) @ text.text_projection, dim=-1)


def stretches(end: int, closes: list[int]) -> list[list[int]]:
    """Tokens 0 … end by segments that are closed after each of `closes`; both ends are one each."""
    starts = sorted({0, 1, end, *(at + 1 for at in closes if 0 < at < end - 1)})
    return [list(range(start, stop)) for start, stop in zip(starts, [*starts[1:], end + 1], strict=True)]


@pytest.mark.parametrize("kind", ["words", "words after a layer", "few words", "no convolution", "fixed"])
def test_segments_are_means_of_what_is_between_two_closings(kind):
    pooling, model, tokens = OF_BYTES[kind], made(OF_BYTES[kind]), ids()
    after = 1 if kind in ("words after a layer", "no convolution") else 0
    slow = []
    for row in tokens:
        end = int(row.argmax())
        if pooling["kind"] == "fixed":
            closes = list(range(5, end, 5))
        else:
            closes = [at for at in range(1, end - 1) if row[at] == ord(" ") + 1]
            closes = closes[: pooling.get("segments", 23) - 3]  # LENGTH tokens have 23 segments at most
        slow.append(slow_vector(model, row, stretches(end, closes), after, pooling.get("convolution", 5)))
    assert near(vectors(model, tokens), torch.stack(slow))


def test_the_router_closes_where_two_neighbours_differ_most():
    model, tokens = made(OF_BYTES["router after a layer"]), ids()
    reducer, seen = model.text.token_pooling, []
    plain = reducer.closing

    def watched(*given: Any) -> Any:
        found = plain(*given)
        seen.append((given, found[0]))
        return found

    reducer.closing = watched
    vectors(model, tokens)
    ((x_BLD, _, ends_B), hard_BL) = seen[0]
    for x_LD, end, hard_L in zip(x_BLD, ends_B.tolist(), hard_BL, strict=True):
        queries, keys = reducer.predictor.queries(x_LD), reducer.predictor.keys(x_LD)
        unlike = {at: -F.cosine_similarity(queries[at], keys[at + 1], dim=0).item() for at in range(1, end - 1)}
        wanted = max(0, -(-(end - 1) // 4) - 1)
        chosen = sorted(unlike, key=lambda at: -unlike[at])[:wanted]
        found = [at for at in unlike if hard_L[at]]
        assert len(found) == wanted
        assert sum(unlike[at] for at in found) == pytest.approx(sum(unlike[at] for at in chosen), abs=1e-4)


@pytest.mark.parametrize("kind", ["router", "router after a layer"])
def test_the_loss_moves_the_boundaries(kind):
    model, tokens = made(OF_BYTES[kind]).train(), ids()
    model.encode_text(tokens)[:, 0].sum().backward()
    assert all(
        weight.grad is not None and weight.grad.abs().sum() > 0
        for weight in model.text.token_pooling.predictor.parameters()
    )


@pytest.mark.parametrize("kind", OF_BYTES)
def test_gradients_are_finite_and_the_same_when_activations_are_computed_again(kind):
    model, tokens, found = made(OF_BYTES[kind]).train(), ids(), []
    for again in (False, True):
        model.set_grad_checkpointing(again)
        model.zero_grad()
        model.encode_text(tokens)[:, 0].sum().backward()
        found.append([weight.grad.clone() for weight in model.text.parameters()])
    assert all(torch.allclose(one, two, atol=1e-5) and one.isfinite().all() for one, two in zip(*found, strict=True))


def test_weights_that_are_shared_are_those_of_the_plain_encoder_of_one_seed():
    plain, pooled = (build_seeded(config_of(pooling, 300)) for pooling in (None, OF_TOKENS["router"]))
    assert {name for name in pooled if name not in plain} == {
        f"text.token_pooling.predictor.{part}.weight" for part in ("queries", "keys")
    }
    assert all(torch.equal(pooled[name], weight) for name, weight in plain.items())


def build_seeded(config: dict[str, Any]) -> dict[str, torch.Tensor]:
    torch.manual_seed(3)
    return build_model(config).state_dict()


def test_mistyped_words_are_near_to_what_was_meant():
    """Before any training: most of the stretches of five bytes are the same."""
    model = made(WORDS)
    right, swapped, doubled, other = vectors(
        model, ids(["a running dog", "a runnnig dog", "a runnning dog", "a sitting cat"])
    )
    assert min(right @ swapped, right @ doubled) > right @ other


def test_the_layers_of_segments_are_no_layers_of_tokens():
    with pytest.raises(ModelError, match="see segments, not tokens"):
        made(WORDS).forward_intermediates(text=ids())


def test_laptop_bytes_has_the_size_that_is_counted_by_hand():
    config, facts = load_config("laptop_bytes"), describe_model("laptop_bytes")
    width, mlp, taps = 192, 768, 5
    block = 4 * (width * width + width) + (2 * width * mlp + mlp + width) + 4 * width
    text = taps * 259 * width + width * width + width + 128 * width + 3 * block + 2 * width + width * 256
    assert facts.parameters - facts.image_parameters - 1 == text
    assert facts.image_parameters == describe_model("laptop_vit").image_parameters
    assert facts.text_encoder == "3 × 192, 3 heads, MLP 768, at most 44 segments (whitespace of bytes)"
    segments = 44  # the last layer's queries and MLP are of one segment, keys and values of all
    layer = 4 * segments * width**2 + 2 * segments**2 * width + 2 * segments * width * mlp
    last = 2 * segments * width**2 + 2 * width**2 + 2 * segments * width + 2 * width * mlp
    assert facts.text_gflops == pytest.approx(2e-9 * (segments * width**2 + 2 * layer + last + width * 256))
    pooling = text_pooling_of_model(build_model(config))
    assert pooling is not None and pooling.facts()["max_segments"] == segments
