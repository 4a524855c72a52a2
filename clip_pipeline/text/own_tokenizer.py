"""The tokenizer of somebody else's model, as a training asks for captions: the very ids that the model is given when it embeds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from clip_pipeline.machine.foreign_code import read_settings_file
from clip_pipeline.text.tokenizer import CONFIG_FILE, TOKENIZER_FILE

if TYPE_CHECKING:
    import numpy as np

TEXTS_AT_A_TIME = 1024


class TrainingTokenizer(Protocol):
    """What a training needs: ids of captions, of padding and of the end."""

    @property
    def pad_id(self) -> int:
        """Of what fills up a row."""

    @property
    def end_id(self) -> int:
        """Of the token after a text's last."""

    @property
    def kept_ids(self) -> tuple[int, ...]:
        """First what stands in the place of a token that is left out of a caption, then the tokens that never are: its ends."""

    def encode(self, texts: Sequence[str], context_length: int) -> np.ndarray:
        """(N, context_length) int32."""


class OpenClipTokenizer:
    """A tokenizer that open_clip made: its own of CLIP, or one of transformers with the model's way of cleaning texts."""

    def __init__(self, tokenizer: Callable[..., Any]):
        import numpy as np

        self._tokenizer = tokenizer
        inner: Any = getattr(tokenizer, "tokenizer", None)
        ends = _ids(inner, "eos_token_id", "sep_token_id") or _ids(tokenizer, "eot_token_id")
        starts = _ids(inner, "bos_token_id", "cls_token_id") or _ids(tokenizer, "sot_token_id")
        own_pad = _ids(inner, "pad_token_id")
        letter = np.asarray(tokenizer(["a"]))[0]
        self.pad_id = own_pad[0] if own_pad else 0
        self.end_id = next((one for one in ends if one in letter), ends[0] if ends else self.pad_id)
        # where a text is filled up with its end token, one more inside would end it there
        left_out = 0 if self.pad_id == self.end_id else self.pad_id
        self.kept_ids = (left_out, self.pad_id, *ends, *starts)

    def encode(self, texts: Sequence[str], context_length: int) -> np.ndarray:
        """(N, context_length) int32 ids, as open_clip's tokenizer gives them."""
        import numpy as np

        ids = np.empty((len(texts), context_length), np.int32)
        for start in range(0, len(texts), TEXTS_AT_A_TIME):
            part = list(texts[start : start + TEXTS_AT_A_TIME])
            ids[start : start + len(part)] = np.asarray(self._tokenizer(part, context_length=context_length))
        return ids

    def save(self, folder: Path) -> None:
        """Writes the files of a tokenizer of transformers."""
        self._tokenizer.save_pretrained(str(folder))  # type: ignore[attr-defined]


def is_made_here(folder: Path) -> bool:
    """Whether a folder holds a tokenizer that `tokenizer_folder.train_tokenizer` wrote, which needs no transformers to be read."""
    if not (folder / TOKENIZER_FILE).is_file() or not (folder / CONFIG_FILE).is_file():
        return False
    config = read_settings_file(folder / CONFIG_FILE)
    named = (
        [config.get(part) for part in ("bos_token", "eos_token", "pad_token")] if isinstance(config, dict) else [None]
    )
    return all(isinstance(name, str) for name in named) and bool(config.get("split_special_tokens"))


def _ids(tokenizer: Any, *names: str) -> list[int]:
    found = [getattr(tokenizer, name, None) for name in names] if tokenizer is not None else []
    return [int(one) for one in found if one is not None]
