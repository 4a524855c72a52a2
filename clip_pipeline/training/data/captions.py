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
    space_id: int | None = None,
) -> NDArray[np.int32]:
    """The tokens, (B, K, L), some of them replaced by padding: each by a chance of `dropout`.

    kept_ids: the padding first, then the ids at both ends, which always stay. share: the rows of the whole batch, of
    `batch_size`, that `tokens` are. space_id: where tokens are bytes, that of a space: words are left out whole then, by one chance each.
    """
    if not dropout:
        return tokens
    generator = generator_of(seed, LEFT_OUT_WORDS, step)
    chances = generator.random((batch_size, *tokens.shape[1:]), dtype=np.float32)[share]
    if space_id is not None:
        chances, kept_ids = np.take_along_axis(chances, _first_of_word(tokens, space_id), -1), (*kept_ids, space_id)
    left_out = (chances < dropout) & ~np.isin(tokens, kept_ids)
    return np.where(left_out, np.int32(kept_ids[0]), tokens)


def _first_of_word(tokens: NDArray[np.int32], space_id: int) -> NDArray[np.int64]:
    """For every token the place of the first one of its word, which follows the start of the text or a space."""
    follows = np.zeros(tokens.shape, dtype=bool)
    follows[..., 1:] = tokens[..., :-1] == space_id
    follows[..., 1] = True
    places = np.where(follows, np.arange(tokens.shape[-1]), 0)
    return np.maximum.accumulate(places, axis=-1)
