"""Byte-level BPE, trained on the captions and stored as transformers reads it.

The ids: [NON] (padding) is 0, then the 256 bytes, then the merges, then [SOS] and [EOS]. The end token has the highest
id because open_clip takes a text's features at the highest id (`pool_type: argmax`).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clip_pipeline.errors import CaptionsError, ModelError
from clip_pipeline.recipes import TokenizerSettings

if TYPE_CHECKING:
    import numpy as np

logger = logging.getLogger(__name__)

PAD, START, END = "[NON]", "[SOS]", "[EOS]"

# words with a leading space, contractions, single digits, runs of punctuation: CLIP's pattern, but every character of the
# text is kept, so that decoding gives the lower-cased caption back
_PIECES = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}| ?[^\s\p{L}\p{N}]+|\s+"


def train_tokenizer(
    corpus_path: Path, settings: TokenizerSettings, context_length: int, folder: Path
) -> dict[str, Any]:
    """Learns the merges from a text file (one caption a line) and writes `tokenizer.json` and the Hugging Face files.

    context_length: tokens of the text tower, [SOS] and [EOS] included. Returns facts: tokens, merges, captions,
    tokens_per_caption (mean, both ends included), cut_captions (share in 0..1 that does not fit).
    Raises CaptionsError for a missing or empty corpus.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

    if not corpus_path.is_file():
        raise CaptionsError(f"The caption file {corpus_path} does not exist. Expected a text file, one caption a line.")
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
    tokenizer.train_from_iterator(_corpus_lines(corpus_path), trainer)
    tokenizer.add_special_tokens([START, END])
    start, end = tokenizer.token_to_id(START), tokenizer.token_to_id(END)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{START} $A {END}", special_tokens=[(START, start), (END, end)]
    )
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    _write_hugging_face_files(folder, context_length)
    return _describe(tokenizer, corpus_path, context_length)


def _corpus_lines(path: Path) -> Iterator[str]:
    found = False
    try:
        with path.open(encoding="utf-8") as stream:
            for line in stream:
                if line.strip():
                    found = True
                    yield line.rstrip("\n")
    except UnicodeDecodeError as error:
        raise CaptionsError(f"The caption file {path} is not UTF-8: {error}. Convert it to UTF-8 first.") from error
    if not found:
        raise CaptionsError(f"The caption file {path} is empty. Expected one caption a line.")


def _write_hugging_face_files(folder: Path, context_length: int) -> None:
    names = {"bos_token": START, "eos_token": END, "pad_token": PAD}
    config = {
        **names,
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": context_length,
        "padding_side": "right",
        "truncation_side": "right",
        "clean_up_tokenization_spaces": False,
    }
    for name, content in (("tokenizer_config.json", config), ("special_tokens_map.json", names)):
        (folder / name).write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _describe(tokenizer: Any, corpus_path: Path, context_length: int) -> dict[str, Any]:
    lengths: list[int] = []
    lines = list(_corpus_lines(corpus_path))
    for start in range(0, len(lines), 10_000):
        lengths.extend(len(encoding.ids) for encoding in tokenizer.encode_batch_fast(lines[start : start + 10_000]))
    facts = {
        "tokens": tokenizer.get_vocab_size(),
        "merges": tokenizer.get_vocab_size() - 256 - 3,
        "captions": len(lines),
        "tokens_per_caption": round(sum(lengths) / len(lengths), 3),
        "cut_captions": round(sum(length > context_length for length in lengths) / len(lengths), 5),
    }
    logger.info(
        "Learned %s tokens from %s captions: %s tokens a caption, %.2f %% are cut at %s",
        *(f"{facts['tokens']:,}", f"{facts['captions']:,}", facts["tokens_per_caption"]),
        *(100 * facts["cut_captions"], context_length),
    )
    return facts


class CaptionTokenizer:
    """Texts to token ids, the same as open_clip's HFTokenizer gives for clean captions, without importing transformers."""

    def __init__(self, tokenizer: Any):
        self._tokenizer = tokenizer
        self.pad_id, self.start_id, self.end_id = (tokenizer.token_to_id(name) for name in (PAD, START, END))
        self.vocab_size: int = tokenizer.get_vocab_size()

    def encode(self, texts: Sequence[str], context_length: int) -> np.ndarray:
        """(N, context_length) int32 ids: [SOS], the text cut to fit, [EOS], padding."""
        import numpy as np

        self._tokenizer.enable_truncation(context_length)
        ids = np.full((len(texts), context_length), self.pad_id, dtype=np.int32)
        for start in range(0, len(texts), 10_000):
            for row, encoding in enumerate(
                self._tokenizer.encode_batch_fast(list(texts[start : start + 10_000])), start
            ):
                ids[row, : len(encoding.ids)] = encoding.ids
        return ids

    def decode(self, ids: Iterable[int]) -> str:
        """The text of a row of ids, without the special tokens; a caption comes back lower-cased."""
        return self._tokenizer.decode([int(i) for i in ids])


def load_tokenizer(folder: Path) -> CaptionTokenizer:
    """The tokenizer that `train_tokenizer` wrote. Raises ModelError when it is absent, broken or not one of ours."""
    from tokenizers import Tokenizer

    path = folder / "tokenizer.json"
    if not path.is_file():
        raise ModelError(
            f"{folder} holds no tokenizer.json. Materialise bpe_tokenizer, or run `clip-pipeline tokenizer`."
        )
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # noqa: BLE001  the library raises bare Exception for a broken file
        raise ModelError(f"{path} cannot be read as a tokenizer: {error}.") from error
    missing = [name for name in (PAD, START, END) if tokenizer.token_to_id(name) is None]
    if missing:
        raise ModelError(f"{path} lacks the tokens {', '.join(missing)}. Expected one that clip_pipeline trained.")
    return CaptionTokenizer(tokenizer)
