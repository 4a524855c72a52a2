"""Who draws the boundaries of a text's segments: from the tokens up to one, whether that one is a boundary.

fixed: every so many tokens. whitespace: spaces. unigram, entropy: an MLP that learns targets from elsewhere. gumbel: an MLP that learns from
the task, by samples in training and without chance in evaluation. router: two neighbours that differ (Hwang et al. 2025,
arXiv 2507.07955, section 2.2). All but the last are of Nawrot et al. 2023 (arXiv 2211.09761), whose code differs in three things that
are put right here: targets are learnt from logits rather than from probabilities, evaluation draws no samples, and the task reaches each decision
through `Boundaries.factor` instead of through the weights of the means.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from clip_pipeline.errors import SettingsError, nearest_name
from clip_pipeline.pooling.rates import (
    BINOMIAL,
    RATE_LOSSES,
    RATIO,
    binomial_loss,
    check_target,
    hinge_loss,
    ratio_loss,
)

if TYPE_CHECKING:
    import torch

FIXED, WHITESPACE, UNIGRAM, ENTROPY, GUMBEL, ROUTER = "fixed", "whitespace", "unigram", "entropy", "gumbel", "router"
PREDICTORS = (FIXED, WHITESPACE, UNIGRAM, ENTROPY, GUMBEL, ROUTER)
LEARN_TARGETS = (UNIGRAM, ENTROPY)
"""Kinds that learn from targets; the rate of their boundaries follows from these."""
LEARN_RATE = (GUMBEL, ROUTER)
"""Kinds whose rate is held by a loss."""
TEMPERATURE = 0.5
"""Of gumbel's samples, as in Nawrot's settings."""
MIN_PROBABILITY = 1e-6


@dataclass(frozen=True)
class Boundaries:
    """The boundaries of a batch.

    hard_BL: bool. opens: whether each opens a segment, whose vector is then the token's own, instead of closing one, whose vector is
    the mean. probabilities_BL: of each being one, with a graph; in gumbel's training those of the sample; None for kinds without. logits_BL: what a
    target is compared with. by_task: whether the task's gradient is to reach the decisions.
    """

    hard_BL: torch.Tensor
    probabilities_BL: torch.Tensor | None = None
    logits_BL: torch.Tensor | None = None
    opens: bool = False
    by_task: bool = False

    @property
    def factor_BL(self) -> torch.Tensor | None:
        """Ones to multiply what each token reads with; their gradient is that of the probability of what was decided there (straight-through)."""
        if not self.by_task or self.probabilities_BL is None:
            return None
        import torch

        sure_BL = torch.where(self.hard_BL, self.probabilities_BL, 1 - self.probabilities_BL)
        return 1 + (sure_BL - sure_BL.detach())  # exactly 1

    @property
    def counted_BL(self) -> torch.Tensor:
        """The boundaries as 0 and 1, with the gradient of their probabilities."""
        hard_BL = self.hard_BL.float()
        if self.probabilities_BL is None:
            return hard_BL
        return hard_BL + (self.probabilities_BL - self.probabilities_BL.detach())

    def rate_loss(self, name: str, target: float, valid_BL: torch.Tensor | None = None) -> torch.Tensor:
        """How far their rate is from one in `target` tokens, by a loss of rates.py. Raises SettingsError for an unknown name."""
        if name == RATIO:
            assert self.probabilities_BL is not None
            return ratio_loss(self.hard_BL, self.probabilities_BL, target, valid_BL)
        if name not in RATE_LOSSES:
            raise SettingsError(f'There is no rate loss "{name}". {nearest_name(name, RATE_LOSSES)}')
        counted_BL = self.counted_BL
        if valid_BL is None:
            lengths_B = counted_BL.new_full((len(counted_BL),), counted_BL.shape[1])
        else:
            counted_BL, lengths_B = counted_BL * valid_BL, valid_BL.sum(-1).to(counted_BL.dtype)
        return (binomial_loss if name == BINOMIAL else hinge_loss)(counted_BL.sum(-1), lengths_B, target)

    def target_loss(self, targets_BL: torch.Tensor, valid_BL: torch.Tensor | None = None) -> torch.Tensor:
        """Binary cross-entropy of the logits with targets that are known in training, mean over the valid tokens, in nats."""
        import torch.nn.functional as F

        assert self.logits_BL is not None
        loss_BL = F.binary_cross_entropy_with_logits(self.logits_BL.float(), targets_BL.float(), reduction="none")
        return loss_BL.mean() if valid_BL is None else loss_BL[valid_BL].mean()


def fixed_boundaries(length: int, every: int, offset: int = 0, device: Any = None) -> torch.Tensor:
    """(L,) bool: after every so many tokens, counted from `offset` tokens before the first."""
    import torch

    return (torch.arange(length, device=device) + offset + 1) % every == 0


def gumbel_boundaries(
    logits_BL: torch.Tensor, uniform_BL: torch.Tensor, temperature: float = TEMPERATURE
) -> torch.Tensor:
    """(B, L) probabilities of a relaxed Bernoulli sample (Maddison et al. 2017, arXiv 1611.00712): above a half they are boundaries.

    uniform_BL: between 0 and 1.
    """
    noise_BL = uniform_BL.clamp(MIN_PROBABILITY, 1 - MIN_PROBABILITY).logit()
    return ((logits_BL + noise_BL) / temperature).sigmoid()


def entropy_targets(logits_BLV: torch.Tensor, before: int = 2) -> torch.Tensor:
    """(B, L) bool: where the prediction of the next token is less sure than at each of the `before` tokens before.

    At the first tokens, those that there are; the very first is a boundary. Entropies are of the model's own predictions, without a graph.
    """
    import torch

    log_BLV = logits_BLV.detach().float().log_softmax(-1)
    entropy_BL = -(log_BLV.exp() * log_BLV).sum(-1)
    targets_BL = torch.ones_like(entropy_BL, dtype=torch.bool)
    for distance in range(1, before + 1):
        targets_BL[:, distance:] &= entropy_BL[:, distance:] > entropy_BL[:, :-distance]
    return targets_BL


def router_probabilities(queries_BLD: torch.Tensor, keys_BLD: torch.Tensor) -> torch.Tensor:
    """(B, L) ½ (1 − cos(query of the token before, key of the token)), and 1 for the first token, which opens a segment always."""
    import torch
    import torch.nn.functional as F

    similar_BL = F.cosine_similarity(queries_BLD[:, :-1].float(), keys_BLD[:, 1:].float(), dim=-1)
    first_B1 = torch.ones_like(queries_BLD[:, :1, 0], dtype=similar_BL.dtype)
    return torch.cat([first_B1, ((1 - similar_BL) / 2).clamp(0, 1)], dim=1)


def smoothed(vectors_BSD: torch.Tensor, probabilities_BS: torch.Tensor) -> torch.Tensor:
    """(B, S, D): ẑ_s = p_s z_s + (1 − p_s) ẑ_{s−1} along the segments, ẑ_0 = z_0, as one product: an unsure boundary lends from the segment before.

    Row t of the matrix is p_s Π_{s<v≤t} (1 − p_v); its logarithms are sums over stretches, not differences of sums, which would cancel.
    """
    import torch

    count = probabilities_BS.shape[1]
    p_BS = probabilities_BS.float().clamp(MIN_PROBABILITY, 1 - MIN_PROBABILITY)
    p_BS = torch.cat([torch.ones_like(p_BS[:, :1]), p_BS[:, 1:]], dim=1)
    later_SS = torch.ones(count, count, dtype=torch.bool, device=p_BS.device).tril(-1)  # row t, column s: t > s
    leave_BSS = torch.log1p(-p_BS.masked_fill(p_BS == 1, 0.0))[:, :, None].expand(-1, -1, count)
    weights_BSS = leave_BSS.masked_fill(~later_SS, 0.0).cumsum(1).exp().tril() * p_BS[:, None]
    device = vectors_BSD.device.type
    with torch.autocast("cpu" if device == "meta" else device, enabled=False):  # of shapes alone there is no autocast
        return (weights_BSS @ vectors_BSD.float()).to(vectors_BSD.dtype)


def make_predictor(
    kind: str, width: int, target: float = 4.0, space: int = 0, inner: int = 0, temperature: float = TEMPERATURE
) -> torch.nn.Module:
    """The predictor of a kind: (h_BLD, tokens_BL, valid_BL or None) → Boundaries. Where a row is not valid there are none.

    target: tokens a segment, a whole number for `fixed`. space: the id of a space. inner: units of the MLP, 0 for the width. Starting
    weights come from torch's global generator. Raises SettingsError for an unknown kind, and a target of one token or less.
    """
    if kind not in PREDICTORS:
        raise SettingsError(f'There is no way to draw boundaries called "{kind}". {nearest_name(kind, PREDICTORS)}')
    classes = _classes()
    if kind == WHITESPACE:
        return classes[kind](space)
    if kind == FIXED:
        check_target(target)
        if target != int(target):
            raise SettingsError(
                f"Boundaries at fixed distances need a whole number of tokens a segment, not {target:g}."
            )
        return classes[kind](int(target))
    if kind == ROUTER:
        return classes[kind](width)
    if kind == GUMBEL:
        return classes[kind](width, inner or width, temperature)
    return classes[kind](width, inner or width)


@cache
def _classes() -> dict[str, Any]:
    """The modules, made here because torch is imported only where it is used."""
    import torch

    def among(hard_BL: torch.Tensor, valid_BL: torch.Tensor | None) -> torch.Tensor:
        return hard_BL if valid_BL is None else hard_BL & valid_BL

    class Fixed(torch.nn.Module):
        def __init__(self, every: int):
            super().__init__()
            self.every = every

        def forward(self, h_BLD: Any, tokens_BL: Any, valid_BL: Any = None) -> Boundaries:
            hard_L = fixed_boundaries(tokens_BL.shape[1], self.every, device=tokens_BL.device)
            return Boundaries(among(hard_L.expand(len(tokens_BL), -1), valid_BL))

    class Whitespace(torch.nn.Module):
        def __init__(self, space: int):
            super().__init__()
            self.space = space

        def forward(self, h_BLD: Any, tokens_BL: Any, valid_BL: Any = None) -> Boundaries:
            return Boundaries(among(tokens_BL == self.space, valid_BL))

    class FromTargets(torch.nn.Module):
        """Logits near nought with a spread, so that not all tokens begin on one side."""

        def __init__(self, width: int, inner: int):
            super().__init__()
            last = torch.nn.Linear(inner, 1)
            torch.nn.init.zeros_(last.bias)
            self.mlp = torch.nn.Sequential(
                torch.nn.LayerNorm(width), torch.nn.Linear(width, inner), torch.nn.GELU(), last
            )

        def forward(self, h_BLD: Any, tokens_BL: Any, valid_BL: Any = None) -> Boundaries:
            logits_BL = self.mlp(h_BLD).squeeze(-1).float()
            return Boundaries(among(logits_BL > 0, valid_BL), logits_BL.sigmoid(), logits_BL)

    class Gumbel(FromTargets):
        def __init__(self, width: int, inner: int, temperature: float):
            super().__init__(width, inner)
            self.temperature = temperature

        def forward(self, h_BLD: Any, tokens_BL: Any, valid_BL: Any = None) -> Boundaries:
            logits_BL = self.mlp(h_BLD).squeeze(-1).float()
            if not self.training:
                return Boundaries(among(logits_BL > 0, valid_BL), logits_BL.sigmoid(), logits_BL, by_task=True)
            soft_BL = gumbel_boundaries(logits_BL, torch.rand_like(logits_BL), self.temperature)
            return Boundaries(among(soft_BL > 0.5, valid_BL), soft_BL, logits_BL, by_task=True)

    class Router(torch.nn.Module):
        """Queries and keys begin as the hidden vectors themselves."""

        def __init__(self, width: int):
            super().__init__()
            self.queries = torch.nn.Linear(width, width, bias=False)
            self.keys = torch.nn.Linear(width, width, bias=False)
            for projection in (self.queries, self.keys):
                torch.nn.init.eye_(projection.weight)

        def forward(self, h_BLD: Any, tokens_BL: Any, valid_BL: Any = None) -> Boundaries:
            probabilities_BL = router_probabilities(self.queries(h_BLD), self.keys(h_BLD))
            hard_BL = among(probabilities_BL >= 0.5, valid_BL)
            return Boundaries(hard_BL, probabilities_BL, opens=True, by_task=True)

    return {
        FIXED: Fixed,
        WHITESPACE: Whitespace,
        UNIGRAM: FromTargets,
        ENTROPY: FromTargets,
        GUMBEL: Gumbel,
        ROUTER: Router,
    }
