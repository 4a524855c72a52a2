"""The settings `tokenizer`: how texts become numbers."""

from __future__ import annotations

from dataclasses import dataclass

from clip_pipeline.settings.checked import CheckedSettings, setting


@dataclass(frozen=True)
class TokenizerSettings(CheckedSettings):
    """How texts become numbers."""

    kind: str = setting(
        "bpe",
        "bpe learns a byte-level BPE from the captions; clip is CLIP's own, of 49,408 tokens; anything else is a tokenizer "
        "of Hugging Face, by name or folder.",
    )
    vocab_size: int = setting(20_000, "Tokens of bpe, the 256 bytes and three special tokens included.", low=259)
    min_frequency: int = setting(2, "Pairs seen less often are not merged by bpe.", low=1)
