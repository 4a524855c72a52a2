"""How many boundaries there are to be: losses that hold the share of tokens that are one, and the target over the steps.

The target is tokens a segment, N; the share aimed at is 1/N. All losses are in nats, without a weight, over valid tokens only.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from clip_pipeline.errors import SettingsError

if TYPE_CHECKING:
    import torch

RATIO, BINOMIAL, HINGE = "ratio", "binomial", "hinge"
RATE_LOSSES = (RATIO, BINOMIAL, HINGE)
START = 2.0
"""Tokens a segment at which a rising target begins."""


def check_target(target: float) -> float:
    """The target; raises SettingsError where it is one token a segment or less, with which nothing is pooled."""
    if not target > 1:
        raise SettingsError(
            f"The target is {target:g} tokens a segment: pooling begins above 1. Set a larger one, or none as the kind of pooling."
        )
    return target


def rising_target(step: int, steps: int, final: float, percent: float) -> float:
    """The target at `step` of `steps`: rises evenly to `final` over the first `percent` of them, from 2 or from `final` where that is less.

    A model that reads long segments before it can write short ones stays with few of them (ATDC 2026, arXiv 2605.30080).
    """
    start, rising = min(START, check_target(final)), steps * percent / 100
    return final if step >= rising else start + (final - start) * step / rising


def ratio_loss(
    hard_BL: torch.Tensor, probabilities_BL: torch.Tensor, target: float, valid_BL: torch.Tensor | None = None
) -> torch.Tensor:
    """N/(N−1) · ((N−1) F G + (1−F)(1−G)) of the whole batch (Hwang et al. 2025, equation 10): 1 where F = G = 1/N.

    F: the share of boundaries, without a gradient. G: the mean of their probabilities, which the loss pushes down where F is above
    1/N and up where it is below.
    """
    check_target(target)
    if valid_BL is not None:
        hard_BL, probabilities_BL = hard_BL[valid_BL], probabilities_BL[valid_BL]
    share, mean = hard_BL.float().mean().detach(), probabilities_BL.float().mean()
    return target / (target - 1) * ((target - 1) * share * mean + (1 - share) * (1 - mean))


def binomial_loss(counts_B: torch.Tensor, lengths_B: torch.Tensor, target: float) -> torch.Tensor:
    """−log of the probability of so many boundaries of so many tokens, were each one with 1/N, a token; mean over the rows.

    counts_B: floats, with a gradient. Nawrot et al. 2023, section 3.2.
    """
    import torch

    share = 1 / check_target(target)
    chosen_B = torch.lgamma(lengths_B + 1) - torch.lgamma(counts_B + 1) - torch.lgamma(lengths_B - counts_B + 1)
    log_B = chosen_B + counts_B * math.log(share) + (lengths_B - counts_B) * math.log1p(-share)
    return (-log_B / lengths_B.clamp(min=1)).mean()


def hinge_loss(
    counts_B: torch.Tensor,
    lengths_B: torch.Tensor,
    target: float,
    deviation: float | None = None,
    deviations: float = 3.0,
) -> torch.Tensor:
    """How far the share of boundaries is above 1/N, or below 1/N less three standard deviations; mean over the rows.

    deviation: of the share from text to text; None takes that of a binomial of the row's length. FlexiTokens 2025 (arXiv 2507.12720).
    """
    share = 1 / check_target(target)
    lengths_B = lengths_B.clamp(min=1)
    spread_B = (share * (1 - share) / lengths_B).sqrt() if deviation is None else deviation
    found_B = counts_B / lengths_B
    return ((found_B - share).clamp(min=0) + (share - deviations * spread_B - found_B).clamp(min=0)).mean()
