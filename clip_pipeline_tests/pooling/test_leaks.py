"""The check for models that look ahead: it is silent about an honest one and finds leaks that were planted."""

from __future__ import annotations

import math

import pytest
import torch

from clip_pipeline.errors import ShapeError
from clip_pipeline.pooling.leaks import find_leaks
from clip_pipeline.pooling.segments import closed_segments, own_segments, segment_means, spread

VOCABULARY, LENGTH, WIDTH, SPACE = 6, 24, 8, 0
torch.manual_seed(0)
TABLE, HEAD = torch.randn(VOCABULARY, WIDTH), torch.randn(WIDTH, VOCABULARY)
TEXT = torch.randint(0, VOCABULARY, (LENGTH,), generator=torch.Generator().manual_seed(5))


def pooled_logits(tokens: torch.Tensor, boundaries: torch.Tensor, own: bool = False) -> torch.Tensor:
    """A model of one pooling and no layers. own: each token reads the mean of the segment that it is in."""
    h = TABLE[tokens]
    means, _ = segment_means(h, own_segments(boundaries), LENGTH + 1)
    null = torch.zeros(len(tokens), 1, WIDTH)
    read = own_segments(boundaries) + 1 if own else closed_segments(boundaries)
    return (h + spread(torch.cat([null, means], 1), read)) @ HEAD


def honest(tokens: torch.Tensor) -> torch.Tensor:
    return pooled_logits(tokens, tokens == SPACE)


def reads_its_open_segment(tokens: torch.Tensor) -> torch.Tensor:
    return pooled_logits(tokens, tokens == SPACE, own=True)


def boundaries_of_the_whole_text(tokens: torch.Tensor) -> torch.Tensor:
    """As a tokenizer draws them: a word is one piece, and is cut in two where it is long, which its beginning cannot know."""
    boundaries = tokens == SPACE
    for row in range(len(tokens)):
        start = 0
        for place in [*torch.nonzero(boundaries[row]).flatten().tolist(), tokens.shape[1]]:
            if place - start > 4:
                boundaries[row, start + 1] = True
            start = place + 1
    return pooled_logits(tokens, boundaries)


def knows_the_length(tokens: torch.Tensor) -> torch.Tensor:
    return honest(tokens) + tokens.shape[1] / 100


def normalises_over_the_text(tokens: torch.Tensor) -> torch.Tensor:
    logits = honest(tokens)
    return logits - logits.mean(1, keepdim=True)


def test_an_honest_model_is_left_alone_to_the_bit():
    for leak in find_leaks(honest, TEXT, VOCABULARY):
        assert leak.largest == 0.0
        assert leak.sentence(1e-6).startswith("No logit changes by more than 0")


@pytest.mark.parametrize("model", [reads_its_open_segment, boundaries_of_the_whole_text, normalises_over_the_text])
def test_planted_leaks_are_found_by_a_changed_future_and_by_none(model):
    for leak, how in zip(find_leaks(model, TEXT, VOCABULARY), ("changed", "cut off"), strict=True):
        assert leak.how == how and leak.largest > 0.01
        assert leak.at <= leak.after, "what changed comes before what was changed"
        assert f"what comes after token {leak.after} is {how}: the model looks ahead" in leak.sentence(1e-6)


def test_what_depends_on_the_length_alone_is_found_by_cutting():
    changed, cut = find_leaks(knows_the_length, TEXT, VOCABULARY)
    assert changed.largest == 0.0
    assert cut.largest == pytest.approx((LENGTH - 1) / 100, rel=1e-4)


def test_a_logit_that_is_no_number_counts_as_a_leak():
    def broken(tokens: torch.Tensor) -> torch.Tensor:
        logits = honest(tokens)
        return torch.where(logits > logits[..., :1] + 1, math.nan, logits)

    changed, cut = find_leaks(broken, TEXT, VOCABULARY)
    assert changed.largest == math.inf and cut.largest == math.inf


def test_chosen_places_and_small_batches_find_the_same():
    whole = find_leaks(reads_its_open_segment, TEXT, VOCABULARY)
    assert find_leaks(reads_its_open_segment, TEXT, VOCABULARY, places=range(LENGTH - 1), rows=64) == whole
    some = find_leaks(reads_its_open_segment, TEXT, VOCABULARY, places=[3, 17], rows=1)
    assert all(
        leak.after in (3, 17) and leak.largest <= all_of.largest for leak, all_of in zip(some, whole, strict=True)
    )


def test_a_text_without_a_future_is_refused():
    with pytest.raises(ShapeError, match="two tokens or more"):
        find_leaks(honest, TEXT[:1], VOCABULARY)
