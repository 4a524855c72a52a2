"""Caption tables from texts written by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from clip_pipeline.training.data.batches import CaptionTable


def make_caption_table(captions: Sequence[Sequence[str]], tokens: np.ndarray) -> CaptionTable:
    """captions: at least one text for each photo. tokens: (C, L) ids of all of them, in that order."""
    lengths = np.array([len(texts) for texts in captions], dtype=np.int64)
    first = np.concatenate([[0], np.cumsum(lengths)])
    numbers: dict[str, int] = {}
    text_ids = np.array(
        [numbers.setdefault(text, len(numbers)) for texts in captions for text in texts], dtype=np.int64
    )
    return CaptionTable(first, text_ids, tokens)
