"""Byte-level BPE learned from the captions.

The ids: [NON] (padding) is 0, then the 256 bytes, then the merges, then [SOS] and [EOS]. The end token has the highest
id because open_clip takes a text's features there (`pool_type: argmax`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from clip_pipeline.settings import TokenizerSettings

PAD, START, END = "[NON]", "[SOS]", "[EOS]"

# words with a leading space, contractions, single digits, runs of punctuation: CLIP's pattern, but every character of the
# text is kept, so that decoding gives the lower-cased caption back
_PIECES = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}| ?[^\s\p{L}\p{N}]+|\s+"


def byte_letters() -> dict[str, int]:
    """The letters that stand for the 256 bytes in a byte-level vocabulary, in the order of GPT-2 and CLIP.

    Printable bytes stand for themselves and come first; the others go by the letters from U+0100 on.
    """
    printable = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAC + 1), *range(0xAE, 0xFF + 1)]
    others = [byte for byte in range(256) if byte not in set(printable)]
    letters = [*map(chr, printable), *(chr(256 + number) for number in range(len(others)))]
    return dict(zip(letters, [*printable, *others], strict=True))


def learn_bpe(captions: Iterable[str], settings: TokenizerSettings) -> Any:
    """A `tokenizers.Tokenizer` of at most `settings.vocab_size` tokens; fewer where the captions hold no more pairs.

    The order of the captions and the number of threads leave it unchanged: of pairs seen equally often the one with the
    lower ids is merged first.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.NFC(),
            normalizers.Replace(Regex(r"\s+"), " "),
            normalizers.Strip(),
            normalizers.Lowercase(),
            normalizers.Prepend(" "),  # the first word is the same token as the word elsewhere
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PIECES), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.Sequence([decoders.ByteLevel(), decoders.Strip(" ", 1, 0)])
    trainer = trainers.BpeTrainer(
        vocab_size=settings.vocab_size - 2,  # the two ends come after the merges
        min_frequency=settings.min_frequency,
        special_tokens=[PAD],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(captions, trainer)
    tokenizer.add_special_tokens([START, END])
    return tokenizer
