"""The pairs table as arrays: which photos, which captions, in which split."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clip_pipeline.errors import TrainingError
from clip_pipeline.storage.disk import hash_json
from clip_pipeline.text.own_tokenizer import TrainingTokenizer
from clip_pipeline.training.data.batches import CaptionTable

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


TEXTS_AT_A_TIME = 65_536


@dataclass(frozen=True)
class SplitPairs:
    """One split: the photos in the order of their ids, and their captions.

    captions: of all photos, one after the other. first: (N + 1,) int64; photo i has captions `first[i]:first[i + 1]`. They stay
    in Arrow's memory: as Python's own texts and lists a million photos would take a gigabyte.
    """

    photo_ids: list[str]
    captions: pa.Array
    first: np.ndarray

    def __len__(self) -> int:
        return len(self.photo_ids)

    def table(self, tokenizer: TrainingTokenizer, context_length: int) -> CaptionTable:
        """The captions as token ids, tokenised once for the whole training."""
        import numpy as np

        tokens = np.empty((len(self.captions), context_length), dtype=np.int32)
        for start in range(0, len(self.captions), TEXTS_AT_A_TIME):
            texts = self.captions.slice(start, TEXTS_AT_A_TIME).to_pylist()
            tokens[start : start + len(texts)] = tokenizer.encode(texts, context_length)
        return CaptionTable(self.first, text_numbers(self.captions), tokens)


def text_numbers(texts: pa.Array) -> np.ndarray:
    """A number for each text, int64, equal for texts that read the same, from 0 in the order of their first appearance."""
    import numpy as np

    return texts.dictionary_encode().indices.to_numpy(zero_copy_only=False).astype(np.int64)


def read_split(pairs: pa.Table, split: str) -> SplitPairs:
    """The photos of one split, sorted by id, each with its captions in their own order.

    pairs: records.IMAGE_TEXT_PAIRS, in any order.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    chosen = pairs.select(["photo_id", "caption_index", "caption", "split"])
    chosen = chosen.filter(pc.equal(chosen["split"], split)).select(["photo_id", "caption_index", "caption"])
    rows = chosen.sort_by([(name, "ascending") for name in chosen.column_names])
    # large: the texts of one array of plain strings end at 2 GB
    photo_ids, captions = (
        pa.concat_arrays([pa.array([], pa.large_string()), *rows[name].cast(pa.large_string()).chunks])
        for name in ("photo_id", "caption")
    )
    runs = pc.run_end_encode(photo_ids, run_end_type=pa.int64())
    first = np.concatenate([[0], runs.run_ends.to_numpy()]).astype(np.int64)
    return SplitPairs(runs.values.to_pylist(), captions, first)


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


def hash_data(*splits: SplitPairs, tokenizer: bytes) -> str:
    """sha256 of what is trained on: a saved state of other data must not be resumed. tokenizer: what tells it from others."""
    digest = hashlib.sha256(tokenizer)
    for pairs in splits:
        digest.update(hash_json(pairs.photo_ids).encode())
        digest.update(pairs.first.tobytes())
        for start in range(0, len(pairs.captions), TEXTS_AT_A_TIME):
            digest.update(hash_json(pairs.captions.slice(start, TEXTS_AT_A_TIME).to_pylist()).encode())
    return digest.hexdigest()
