"""The captions of a step as tokens: several of each photo, some of their words left out; a pure function of (seed, step)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clip_pipeline.training.data.batches import CaptionTable
from clip_pipeline.training.randomness import LEFT_OUT_WORDS, generator_of


def further_captions(table: CaptionTable, captions: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """(B, count) caption rows: the given one of each photo, then the photo's next ones, going round.

    No text stands twice in a column of the answer if none does in `captions`: a photo whose next caption reads as another
    photo's shows its first one again. A photo with fewer than `count` captions shows some of them again too.
    """
    photos = np.searchsorted(table.first, captions, side="right") - 1
    starts, sizes = table.first[photos], np.diff(table.first)[photos]
    turns = (captions - starts)[:, None] + np.arange(count)
    rows = starts[:, None] + turns % sizes[:, None]
    for column in rows.T[1:]:
        while (repeated := _repeated(table.text_ids[column]) & (column != captions)).any():
            column[repeated] = captions[repeated]
    return rows


def _repeated(texts: NDArray[np.int64]) -> NDArray[np.bool_]:
    _, places, counts = np.unique(texts, return_inverse=True, return_counts=True)
    return counts[places] > 1


def drop_tokens(
    tokens: NDArray[np.int32],
    seed: int,
    step: int,
    dropout: float,
    kept_ids: tuple[int, ...],
    batch_size: int,
    share: slice,
) -> NDArray[np.int32]:
    """The tokens, (B, K, L), some of them replaced by padding: each by a chance of `dropout`.

    kept_ids: the padding first, then the ids at both ends, which always stay. share: the rows of the whole batch, of
    `batch_size`, that `tokens` are.
    """
    if not dropout:
        return tokens
    generator = generator_of(seed, LEFT_OUT_WORDS, step)
    chances = generator.random((batch_size, *tokens.shape[1:]), dtype=np.float32)[share]
    left_out = (chances < dropout) & ~np.isin(tokens, kept_ids)
    return np.where(left_out, np.int32(kept_ids[0]), tokens)
