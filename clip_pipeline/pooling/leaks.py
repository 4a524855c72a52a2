"""Whether a model that predicts each next token has looked at it: a leak looks like a record.

Two ways, for every place t: all tokens after t are replaced, or cut off, and no prediction up to t may change. The second finds what depends on
the length of the text only, and is decoding one token after the other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clip_pipeline.errors import ShapeError

if TYPE_CHECKING:
    import torch

CHANGED, CUT = "changed", "cut off"


@dataclass(frozen=True)
class Leak:
    """The largest change of a prediction by what comes after it.

    how: whether the future was changed or cut off. largest: absolute change of a logit. after: the last token that stayed the same; at: the place of
    the prediction that changed most.
    """

    how: str
    largest: float
    after: int
    at: int

    def sentence(self, tolerance: float) -> str:
        """What was found, for a check or an error."""
        if self.largest <= tolerance:
            return f"No logit changes by more than {self.largest:.2g} where all that comes after it is {self.how}."
        return f"The logits of token {self.at} change by {self.largest:.2g} where what comes after token {self.after} is {self.how}: the model looks ahead."


def find_leaks(
    logits_of: Callable[[torch.Tensor], torch.Tensor],
    tokens_L: torch.Tensor,
    vocabulary: int,
    places: Sequence[int] | None = None,
    rows: int = 64,
    seed: int = 0,
) -> tuple[Leak, Leak]:
    """The largest change with a changed future, and with none.

    logits_of: (B, L) ids → (B, L, V), at evaluation. tokens_L: a text. places: after which tokens the future is changed; all but the last by default. rows:
    texts in a batch; the unchanged text goes through batches of the same shape, so that a model whose rounding depends on
    it is not blamed. Raises ShapeError for a text of one token, which has no future.
    """
    import torch

    length = len(tokens_L)
    if length < 2:
        raise ShapeError("A text of two tokens or more is needed to look for leaks.")
    places = range(length - 1) if places is None else places
    chance = torch.Generator().manual_seed(seed)
    before_L = torch.arange(length)
    changed = Leak(CHANGED, 0.0, 0, 0)
    with torch.no_grad():
        for start in range(0, len(places), rows):
            after_B = torch.tensor(places[start : start + rows])
            # another id at every place: a shift by 1 to V - 1
            shifts_BL = torch.randint(1, vocabulary, (len(after_B), length), generator=chance)
            future_BL = before_L > after_B[:, None]
            texts_BL = torch.where(
                future_BL.to(tokens_L.device), (tokens_L + shifts_BL.to(tokens_L.device)) % vocabulary, tokens_L
            )
            same_BLV = logits_of(tokens_L.expand(len(after_B), -1).contiguous())
            difference_BL = (logits_of(texts_BL) - same_BLV).abs().amax(-1).cpu().masked_fill(future_BL, 0.0)
            changed = _larger(changed, difference_BL, after_B)
        cut = Leak(CUT, 0.0, 0, 0)
        whole_LV = logits_of(tokens_L[None])[0]
        for after in places:
            difference_L = (logits_of(tokens_L[None, : after + 1])[0] - whole_LV[: after + 1]).abs().amax(-1).cpu()
            cut = _larger(cut, difference_L[None], torch.tensor([after]))
    return changed, cut


def _larger(known: Leak, difference_BL: torch.Tensor, after_B: torch.Tensor) -> Leak:
    """The larger one of a leak and the differences of a batch; a logit that is no number counts as infinitely far off."""
    difference_BL = difference_BL.nan_to_num(nan=math.inf, posinf=math.inf)
    largest = float(difference_BL.max())
    if largest <= known.largest:
        return known
    row, at = divmod(int(difference_BL.argmax()), difference_BL.shape[1])
    return Leak(known.how, largest, int(after_B[row]), at)
