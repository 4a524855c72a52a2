"""The pairs table as arrays: which photos, which captions, in which split."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from clip_pipeline.errors import TrainingError
from clip_pipeline.text.tokenizer import CaptionTokenizer
from clip_pipeline.training.batches import CaptionTable, make_caption_table

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


@dataclass(frozen=True)
class SplitPairs:
    """One split: the photos in the order of their ids, and their captions."""

    photo_ids: list[str]
    captions: list[list[str]]

    def __len__(self) -> int:
        return len(self.photo_ids)

    def table(self, tokenizer: CaptionTokenizer, context_length: int) -> CaptionTable:
        """The captions as token ids, tokenised once for the whole training."""
        return make_caption_table(self.captions, self._tokens(tokenizer, context_length))

    def _tokens(self, tokenizer: CaptionTokenizer, context_length: int) -> np.ndarray:
        texts = [text for photo_captions in self.captions for text in photo_captions]
        return tokenizer.encode(texts, context_length)


def read_split(pairs: pa.Table, split: str) -> SplitPairs:
    """The photos of one split, sorted by id, each with its captions in their own order.

    pairs: records.IMAGE_TEXT_PAIRS, in any order.
    """
    columns = pairs.select(["photo_id", "caption_index", "caption", "split"]).to_pydict()
    rows = sorted(
        (photo_id, index, caption)
        for photo_id, index, caption, found in zip(*columns.values(), strict=True)
        if found == split
    )
    captions: dict[str, list[str]] = {}
    for photo_id, _, caption in rows:
        captions.setdefault(photo_id, []).append(caption)
    return SplitPairs(list(captions), list(captions.values()))


def check_enough_photos(training: SplitPairs, batch_size: int) -> None:
    """Raises TrainingError when not even one batch can be filled."""
    if not len(training):
        raise TrainingError(
            "There are no training pairs. Look at image_text_pairs: its report says why pairs were dropped, and "
            "pairs.validation_percent and pairs.test_percent say how many are kept back."
        )
    if len(training) < batch_size:
        raise TrainingError(
            f"training.batch_size is {batch_size}, but there are only {len(training)} training photos. "
            f"Set training.batch_size to {max(2, len(training) // 4)} or less, or add photos."
        )


def hash_data(*splits: SplitPairs, tokenizer_folder: Path) -> str:
    """sha256 of what is trained on: a saved state of other data must not be resumed."""
    digest = hashlib.sha256((tokenizer_folder / "tokenizer.json").read_bytes())
    for pairs in splits:
        for photo_id, captions in zip(pairs.photo_ids, pairs.captions, strict=True):
            digest.update("\0".join([photo_id, *captions, "\n"]).encode())
    return digest.hexdigest()
