"""Texts as their UTF-8 bytes, with nothing learnt from captions: a tokenizer without a file.

The ids: padding is 0, then the 256 bytes, then the start and the end of a text. The end has the highest id because open_clip takes a text's
features there (`pool_type: argmax`).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import torch

PAD_ID, START_ID, END_ID = 0, 257, 258
VOCABULARY = 259
FIRST_BYTE = 1
SPACE_ID = FIRST_BYTE + ord(" ")
ENDS = 2
"""Tokens of a text beside its bytes."""


class ByteTokenizer:
    """Texts to ids; any text has some. As `learn_bpe`'s tokenizers do, it puts a text into Unicode's NFC form, folds white space and lowers its letters.

    context_length: tokens of a row, where a call does not say.
    """

    pad_id, start_id, end_id = PAD_ID, START_ID, END_ID
    vocab_size = VOCABULARY

    def __init__(self, context_length: int):
        self.context_length = context_length

    @property
    def kept_ids(self) -> tuple[int, ...]:
        """First what stands in the place of a token that is left out of a caption, then the tokens that never are: its ends."""
        return self.pad_id, self.start_id, self.end_id

    def encode(self, texts: Sequence[str], context_length: int) -> np.ndarray:
        """(N, context_length) int32 ids: the start, the bytes of the characters that fit, the end, padding."""
        import numpy as np

        ids = np.full((len(texts), context_length), PAD_ID, dtype=np.int32)
        for row, text in enumerate(texts):
            raw = _whole_characters(_as_bytes(text), context_length - ENDS)
            ids[row, 0], ids[row, len(raw) + 1] = START_ID, END_ID
            ids[row, 1 : len(raw) + 1] = np.frombuffer(raw, np.uint8).astype(np.int32) + FIRST_BYTE
        return ids

    def decode(self, ids: Iterable[int]) -> str:
        """The text of a row of ids up to its end; bytes that are no UTF-8 become U+FFFD."""
        kept = bytearray()
        for number in map(int, ids):
            if number == END_ID:
                break
            if FIRST_BYTE <= number < START_ID:
                kept.append(number - FIRST_BYTE)
        return kept.decode("utf-8", errors="replace")

    def __call__(self, texts: str | Sequence[str], context_length: int | None = None) -> torch.Tensor:
        """(N, context_length) int64 ids, as open_clip's tokenizers give them."""
        import torch

        listed = [texts] if isinstance(texts, str) else list(texts)
        return torch.from_numpy(self.encode(listed, context_length or self.context_length)).long()


def _as_bytes(text: str) -> bytes:
    folded = " ".join(unicodedata.normalize("NFC", text).split()).lower()
    # half of a pair of surrogates, which UTF-8 has no form for, still has bytes in this one
    return folded.encode("utf-8", errors="surrogatepass")


def _whole_characters(raw: bytes, most: int) -> bytes:
    """The first bytes, at most so many, without a character that would be cut in two."""
    if len(raw) <= most:
        return raw
    end = max(0, most)
    while end and raw[end] & 0xC0 == 0x80:  # a byte that goes on with a character
        end -= 1
    return raw[:end]
