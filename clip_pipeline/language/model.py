"""A causal language model whose middle layers see segments instead of characters; all ways of drawing them in one code.

    h = first layers(embedding)         (B, L, D)
    b = boundaries of h and the characters up to each
    z = mean of each closed segment, or the character that opens it
    y = middle layers(norm(null, z))    (B, 1 + S, D)
    u_t = y of the last segment that is closed (opened) at or before t
    logits = head(last layers(h + gate · u))

Nobody reads the segment that is still open. Kind `none` runs all layers on characters: the model to compare with.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from clip_pipeline.errors import SettingsError, nearest_name
from clip_pipeline.language.alphabet import SPACE, VOCABULARY
from clip_pipeline.language.blocks import block_class
from clip_pipeline.pooling.predictors import LEARN_RATE, LEARN_TARGETS, PREDICTORS, Boundaries, make_predictor, smoothed
from clip_pipeline.pooling.rates import check_target
from clip_pipeline.pooling.segments import (
    closed_segments,
    opened_segments,
    own_segments,
    rounded_up,
    segment_means,
    spread,
    within_budget,
)

if TYPE_CHECKING:
    import torch

NONE = "none"
KINDS = (NONE, *PREDICTORS)
FIRST_GATE = 0.1
"""Of what is read from segments at the start: the model begins near one without them, and [2, 4, 1] trained faster so (2026-11)."""


@dataclass(frozen=True)
class ModelForm:
    """What a language model is built of.

    kind: of KINDS. target: tokens a segment. layers: before the segments, on them, after them; `none` has their sum. convolution: taps in each block.
    residual: `gated` adds what is read to h; `projected` adds h, through a matrix that begins at nought, to what is read (H-Net's way).
    max_segments: of a text, 0 for no limit."""

    kind: str = NONE
    target: float = 4.0
    layers: tuple[int, int, int] = (1, 4, 1)
    width: int = 128
    heads: int = 2
    convolution: int = 4
    dropout: float = 0.0
    residual: str = "gated"
    max_segments: int = 0
    vocabulary: int = VOCABULARY
    space: int = SPACE

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise SettingsError(f'There is no kind of pooling "{self.kind}". {nearest_name(self.kind, KINDS)}')
        if self.width % (2 * self.heads):
            raise SettingsError(f"A width of {self.width} cannot be divided into {self.heads} heads of an even width.")
        if self.kind != NONE:
            check_target(self.target)
            if min(self.layers) < 1:
                raise SettingsError(
                    f"Pooling needs a layer before the segments, on them and after them, not {self.layers}."
                )


@dataclass(frozen=True)
class Prediction:
    """logits_BLV: of the character that follows each. boundaries: None without pooling. segments_B: how many each text has. shortened: rows of the middle layers."""

    logits_BLV: torch.Tensor
    boundaries: Boundaries | None = None
    segments_B: torch.Tensor | None = None
    shortened: int = 0


def build_model(form: ModelForm) -> torch.nn.Module:
    """ids (B, L) → Prediction, row t from ids up to t. Starting weights come from torch's global generator."""
    return _model_class()(form)


@cache
def _model_class() -> Any:
    """Made here because torch is imported only where it is used."""
    import torch

    class CharacterModel(torch.nn.Module):
        def __init__(self, form: ModelForm):
            super().__init__()
            self.form = form
            first, middle, last = form.layers if form.kind != NONE else (0, 0, sum(form.layers))

            def blocks(count: int) -> torch.nn.Sequential:
                shape = (form.width, form.heads, form.convolution, sum(form.layers), form.dropout)
                return torch.nn.Sequential(*(block_class()(*shape) for _ in range(count)))

            self.embedding = torch.nn.Embedding(form.vocabulary, form.width)
            torch.nn.init.normal_(self.embedding.weight, std=form.width**-0.5)
            self.first, self.middle, self.last = blocks(first), blocks(middle), blocks(last)
            self.norm, self.head = torch.nn.LayerNorm(form.width), torch.nn.Linear(form.width, form.vocabulary)
            if form.kind == NONE:
                return
            self.predictor = make_predictor(form.kind, form.width, form.target, form.space)
            self.null = torch.nn.Parameter(torch.randn(form.width))
            self.segment_norm = torch.nn.LayerNorm(form.width)
            if form.residual == "projected":
                self.projection = torch.nn.Linear(form.width, form.width, bias=False)
                torch.nn.init.zeros_(self.projection.weight)
            else:
                self.gate = torch.nn.Parameter(torch.full((form.width,), FIRST_GATE))

        def forward(self, tokens_BL: torch.Tensor) -> Prediction:
            h_BLD = self.first(self.embedding(tokens_BL))
            if self.form.kind == NONE:
                return Prediction(self.head(self.norm(self.last(h_BLD))))
            boundaries: Boundaries = self.predictor(h_BLD, tokens_BL)
            hard_BL = boundaries.hard_BL
            if self.form.max_segments:
                hard_BL = within_budget(hard_BL, self.form.max_segments)
            segments_B = hard_BL.sum(-1)
            count = self.form.max_segments or int(segments_B.max())
            rows = rounded_up(1 + count)
            read_BLD = spread(self._segments(h_BLD, hard_BL, boundaries, rows), closed_segments(hard_BL))
            factor_BL = boundaries.factor_BL
            if factor_BL is not None:
                read_BLD = read_BLD * factor_BL[..., None]
            projected = self.form.residual == "projected"
            joined_BLD = self.projection(h_BLD) + read_BLD if projected else h_BLD + self.gate * read_BLD
            logits_BLV = self.head(self.norm(self.last(joined_BLD)))
            return Prediction(logits_BLV, boundaries, segments_B, rows)

        def _segments(
            self, h_BLD: torch.Tensor, hard_BL: torch.Tensor, boundaries: Boundaries, rows: int
        ) -> torch.Tensor:
            """(B, rows, D): what is read of the null vector and of each segment."""
            numbers_BL = opened_segments(hard_BL) if boundaries.opens else own_segments(hard_BL)
            # a boundary closes its segment, so the open one has no boundary: its number is that of the next row, which nobody reads
            z_BSD, _ = segment_means(h_BLD, numbers_BL, rows - 1)
            null_B1D = self.null.expand(len(h_BLD), 1, -1).to(z_BSD.dtype)
            y_BSD = self.middle(self.segment_norm(torch.cat([null_B1D, z_BSD], dim=1)))
            if not boundaries.opens:
                return y_BSD
            assert boundaries.probabilities_BL is not None
            p_BS1, _ = segment_means(boundaries.probabilities_BL[..., None], numbers_BL, rows - 1)
            return torch.cat([y_BSD[:, :1], smoothed(y_BSD[:, 1:], p_BS1.squeeze(-1))], dim=1)

    return CharacterModel


def training_loss(
    prediction: Prediction,
    next_BL: torch.Tensor,
    form: ModelForm,
    target: float,
    rate_loss: str = "ratio",
    rate_weight: float = 0.03,
    targets_BL: torch.Tensor | None = None,
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """The loss of a batch in nats, and its parts: the next characters', and the boundaries' as the kind asks for it.

    target: tokens a segment at this step. targets_BL: boundaries that `unigram` learns; `entropy` makes its own.
    """
    import torch.nn.functional as F

    from clip_pipeline.pooling.predictors import ENTROPY, entropy_targets

    logits_BLV, boundaries = prediction.logits_BLV, prediction.boundaries
    characters = F.cross_entropy(logits_BLV.flatten(0, 1).float(), next_BL.flatten())
    parts = {"characters": characters.detach()}
    if boundaries is None or form.kind not in (*LEARN_RATE, *LEARN_TARGETS):
        return characters, parts
    if form.kind in LEARN_RATE:
        of_boundaries = boundaries.rate_loss(rate_loss, target)
        weight = rate_weight
    else:
        if form.kind == ENTROPY:
            targets_BL = entropy_targets(logits_BLV)
        assert targets_BL is not None, "unigram learns from boundaries that are given"
        of_boundaries, weight = boundaries.target_loss(targets_BL), 1.0
    return characters + weight * of_boundaries, parts | {"boundaries": of_boundaries.detach()}
