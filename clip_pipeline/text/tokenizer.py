"""Captions to tokens, with a tokenizer that is a folder which transformers and open_clip read as well.

    tokenizer.json            the tokenizer, with both ends of a text
    tokenizer_config.json     the names of the special tokens, and the context length

Both are written by `tokenizer_folder.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clip_pipeline.errors import ModelError
from clip_pipeline.machine.foreign_code import loading_reason, panics_are_errors, read_settings_file

if TYPE_CHECKING:
    import numpy as np

TOKENIZER_FILE, CONFIG_FILE = "tokenizer.json", "tokenizer_config.json"
TEXTS_AT_A_TIME = 10_000
MAX_TOKENIZER_BYTES = 64_000_000
"""Of tokenizer.json: one of 256,000 tokens has 34 MB."""


class CaptionTokenizer:
    """Texts to token ids, the same as open_clip's HFTokenizer gives for clean captions, without importing transformers.

    vocab_size: rows that an embedding table needs. context_length: tokens that the texts are meant to be cut at.
    """

    def __init__(self, tokenizer: Any, names: dict[str, str], context_length: int):
        self._tokenizer = tokenizer
        tokenizer.encode_special_tokens = True
        self.context_length = context_length
        self.start_id, self.end_id, self.pad_id = (
            int(tokenizer.token_to_id(names[part])) for part in ("bos_token", "eos_token", "pad_token")
        )
        self.unknown_id: int | None = tokenizer.token_to_id(names["unk_token"]) if "unk_token" in names else None
        if self.pad_id == self.end_id:
            self.pad_id = 0  # CLIP: what comes after the first end token is never read
        self.vocab_size: int = max(tokenizer.get_vocab().values()) + 1

    @property
    def kept_ids(self) -> tuple[int, ...]:
        """First what stands in the place of a token that is left out of a caption, then the tokens that never are: its ends."""
        return self.pad_id, self.start_id, self.end_id

    @property
    def backend(self) -> Any:
        """The `tokenizers.Tokenizer`, without truncation."""
        self._tokenizer.no_truncation()
        return self._tokenizer

    def encode(self, texts: Sequence[str], context_length: int) -> np.ndarray:
        """(N, context_length) int32 ids: the start token, the text cut to fit, the end token, padding."""
        import numpy as np

        self._tokenizer.enable_truncation(context_length)
        ids = np.full((len(texts), context_length), self.pad_id, dtype=np.int32)
        for start in range(0, len(texts), TEXTS_AT_A_TIME):
            rows = self._tokenizer.encode_batch_fast(list(texts[start : start + TEXTS_AT_A_TIME]))
            for row, encoding in enumerate(rows, start):
                ids[row, : len(encoding.ids)] = encoding.ids
        return ids

    def decode(self, ids: Iterable[int]) -> str:
        """The text of a row of ids, without the special tokens; with bpe a caption comes back lower-cased."""
        kept = []
        for number in map(int, ids):
            if number == self.end_id:
                break
            kept.append(number)
        return self._tokenizer.decode(kept)


def check_tokenizer_size(path: Path) -> None:
    """Raises ModelError for a tokenizer.json that is larger than any: the library takes some ten times as much memory."""
    size = path.stat().st_size
    if size > MAX_TOKENIZER_BYTES:
        raise ModelError(
            f"{path} has {size:,} bytes, the most that are read are {MAX_TOKENIZER_BYTES:,}. Copy it again."
        )


def load_tokenizer(folder: Path) -> CaptionTokenizer:
    """The tokenizer that `train_tokenizer` wrote. Raises ModelError when it is absent, broken or not one of ours."""
    from tokenizers import Tokenizer

    path = folder / TOKENIZER_FILE
    if not path.is_file():
        raise ModelError(
            f"{folder} holds no tokenizer.json. Expected a folder of bpe_tokenizer, or of `clip-pipeline tokenizer`."
        )
    check_tokenizer_size(path)
    try:
        with panics_are_errors():
            tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # noqa: BLE001  the library raises bare Exception for a broken file
        raise ModelError(f"{path} cannot be read as a tokenizer: {loading_reason(error)}.") from error
    config = read_settings_file(folder / CONFIG_FILE)
    parts = ("bos_token", "eos_token", "pad_token")
    missing = [part for part in parts if tokenizer.token_to_id(str(config.get(part))) is None]
    if missing:
        raise ModelError(
            f"{folder} names no {', '.join(missing)} that its tokenizer.json holds. Expected a folder that "
            "`clip-pipeline tokenizer` wrote; it makes one of any tokenizer of Hugging Face with --kind."
        )
    return CaptionTokenizer(
        tokenizer,
        {part: config[part] for part in (*parts, "unk_token") if config.get(part)},
        int(config.get("model_max_length", 0)),
    )
