"""Exactly so many segments a row, for images: whoever wants most to close a segment closes one.

The number of tokens is then known before a photo is seen: a batch has no padding, a photo's vector knows nothing of its batch, and a
graph can be exported. What depends on the photo is where the tokens go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from clip_pipeline.pooling.predictors import MIN_PROBABILITY, TEMPERATURE, Boundaries, router_probabilities
from clip_pipeline.pooling.segments import strongest_boundaries

if TYPE_CHECKING:
    import torch

EARLIER = 2e-6
"""What a token's probability counts less than that of the one before it: a text that repeats itself has tokens that are equal but for
rounding, and that differs with the shape of a batch."""


def even_segments(length: int, count: int) -> torch.Tensor:
    """(length,) the number of the segment that each token is in when they are as long as one another, to one token."""
    import torch

    return torch.arange(length) * count // length


def closing_logits(probabilities_BL: torch.Tensor) -> torch.Tensor:
    """(B, L) logits of closing a segment, of the probabilities of opening one: a token closes what the next one leaves.

    The first token opens always and the last one closes always: the logit of the last is nought.
    """
    import torch.nn.functional as F

    opening_BL = probabilities_BL.clamp(MIN_PROBABILITY, 1 - MIN_PROBABILITY).logit()
    return F.pad(opening_BL[:, 1:], (0, 1))


def router_logits(queries_BLD: torch.Tensor, keys_BLD: torch.Tensor) -> torch.Tensor:
    """(B, L) logits of closing a segment: the less alike the next token is, the larger (`router_probabilities`)."""
    return closing_logits(router_probabilities(queries_BLD, keys_BLD))


def sampled_logits(logits_BL: torch.Tensor, uniform_BL: torch.Tensor, temperature: float = TEMPERATURE) -> torch.Tensor:
    """Logits with Gumbel's noise: the largest are a draw without replacement, each by exp(logit) (Kool et al. 2019, arXiv 1903.06059).

    uniform_BL: between 0 and 1. temperature: what the sum is divided by, which changes no order but the slope of `exact_boundaries`.
    """
    noise_BL = -(-uniform_BL.clamp(MIN_PROBABILITY, 1 - MIN_PROBABILITY).log()).log()
    return (logits_BL + noise_BL) / temperature


def exact_boundaries(logits_BL: torch.Tensor, count: int) -> Boundaries:
    """Boundaries that close exactly `count` segments a row, at its largest logits and after its last token.

    A probability is that of a token against its own row: σ(logit − threshold), the threshold half-way between the last that closes a
    segment and the first that does not. So it is above a half exactly where one is closed, and logits that rise together change nothing.
    The last token decides nothing: its probability is 1, without a graph. Raises ShapeError where a row has fewer tokens than segments.
    """
    import torch

    hard_BL = strongest_boundaries(logits_BL, count)
    free_BL, closes_BL = logits_BL[:, :-1], hard_BL[:, :-1]
    probabilities_BL = (free_BL - _thresholds(free_BL.detach(), closes_BL, count)).sigmoid()
    last_B1 = torch.ones_like(logits_BL[:, -1:])
    return Boundaries(hard_BL, torch.cat([probabilities_BL, last_B1], dim=1), logits_BL, by_task=True)


def _thresholds(free_BL: torch.Tensor, closes_BL: torch.Tensor, count: int) -> torch.Tensor:
    """(B, 1) between those that close and those that do not; where all or none do, at the nearest of them."""
    if not free_BL.shape[1]:
        return free_BL.new_zeros(len(free_BL), 1)
    lowest_B1 = free_BL.masked_fill(~closes_BL, float("inf")).amin(1, keepdim=True)
    highest_B1 = free_BL.masked_fill(closes_BL, float("-inf")).amax(1, keepdim=True)
    if count == 1:
        return highest_B1
    return lowest_B1 if count > free_BL.shape[1] else (lowest_B1 + highest_B1) / 2


def ranked_boundaries(logits_BL: torch.Tensor, free_BL: torch.Tensor, counts_B: torch.Tensor) -> Boundaries:
    """Boundaries at the `counts_B` largest logits of each row's free tokens: rows of their own length have as many as they are to have.

    free_BL: bool, tokens that may be one. Of equals the earlier is one, see EARLIER. Probabilities are those of `exact_boundaries`: each against its own row's threshold. A row without
    free tokens, or with none wanted, has none.
    """
    import torch

    numbers_L = torch.arange(logits_BL.shape[1], device=logits_BL.device)
    with torch.no_grad():
        free_logits_BL = logits_BL.masked_fill(~free_BL, float("-inf"))
        order_BL = (free_logits_BL.sigmoid() - EARLIER * numbers_L - (~free_BL).float()).argsort(
            dim=-1, descending=True
        )
        ranks_BL = torch.zeros_like(order_BL).scatter(1, order_BL, numbers_L.expand_as(order_BL))
        hard_BL = (ranks_BL < counts_B[:, None]) & free_BL
        lowest_B1 = free_logits_BL.masked_fill(~hard_BL, float("inf")).amin(1, keepdim=True)
        highest_B1 = free_logits_BL.masked_fill(hard_BL, float("-inf")).amax(1, keepdim=True)
        middle_B1 = (lowest_B1 + highest_B1) / 2
        threshold_B1 = torch.where(lowest_B1.isinf(), highest_B1, torch.where(highest_B1.isinf(), lowest_B1, middle_B1))
        threshold_B1 = threshold_B1.masked_fill(threshold_B1.isinf(), 0.0)
    return Boundaries(hard_BL, (logits_BL - threshold_B1).sigmoid(), logits_BL, by_task=True)
