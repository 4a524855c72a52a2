"""Tokenizers as folders that transformers and open_clip read: made of captions or of a ready tokenizer, and loaded.

    tokenizer.json            the tokenizer, with both ends of a text
    tokenizer_config.json     the names of the special tokens, and the context length

What a caption says is never a special token: a literal "[EOS]" in it is read as letters (`split_special_tokens`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clip_pipeline.errors import CaptionsError, ModelError
from clip_pipeline.settings import TokenizerSettings
from clip_pipeline.text.bpe import END, PAD, START, learn_bpe
from clip_pipeline.text.ready_tokenizers import clip_tokenizer, hugging_face_tokenizer
from clip_pipeline.text.tokenizer_report import describe_tokenizer

if TYPE_CHECKING:
    import numpy as np

TOKENIZER_FILE, CONFIG_FILE = "tokenizer.json", "tokenizer_config.json"
SPECIAL_TOKENS_FILE = "special_tokens_map.json"
SHORTEST_CONTEXT = 3
"""Both ends and one token between them."""

TEXTS_AT_A_TIME = 10_000


def train_tokenizer(
    corpus_path: Path, settings: TokenizerSettings, context_length: int, folder: Path
) -> dict[str, Any]:
    """Makes the tokenizer of `settings.kind`, writes its folder, and says how well it fits the captions.

    corpus_path: a text file, one caption a line. bpe learns from it; the others are only measured on it.
    context_length: tokens of the text tower, both ends included. Returns the facts of
    `tokenizer_report.describe_tokenizer`. Raises CaptionsError for a missing or empty corpus, ModelError for a tokenizer
    that cannot be had or a context that is too short.
    """
    if context_length < SHORTEST_CONTEXT:
        raise ModelError(
            f"The context length is {context_length}, the least that works is {SHORTEST_CONTEXT}: both ends and a token."
        )
    if not corpus_path.is_file():
        raise CaptionsError(f"The caption file {corpus_path} does not exist. Expected a text file, one caption a line.")
    if settings.kind == "bpe":
        tokenizer = learn_bpe(_corpus_lines(corpus_path), settings)
        names = {"bos_token": START, "eos_token": END, "pad_token": PAD}
    else:
        tokenizer, names = clip_tokenizer() if settings.kind == "clip" else hugging_face_tokenizer(settings.kind)
    _write_folder(tokenizer, names, context_length, folder)
    asked = settings.vocab_size if settings.kind == "bpe" else None
    return describe_tokenizer(load_tokenizer(folder), _corpus_lines(corpus_path), context_length, asked)


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


def _write_folder(tokenizer: Any, names: dict[str, str], context_length: int, folder: Path) -> None:
    from tokenizers import processors

    start, end = names["bos_token"], names["eos_token"]
    ids = [(name, tokenizer.token_to_id(name)) for name in (start, end)]
    tokenizer.post_processor = processors.TemplateProcessing(single=f"{start} $A {end}", special_tokens=ids)
    tokenizer.no_truncation()
    tokenizer.no_padding()
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / TOKENIZER_FILE))
    config = {
        **names,
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": context_length,
        "padding_side": "right",
        "truncation_side": "right",
        "clean_up_tokenization_spaces": False,
        "split_special_tokens": True,
    }
    for name, content in ((CONFIG_FILE, config), (SPECIAL_TOKENS_FILE, names)):
        (folder / name).write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")


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


def load_tokenizer(folder: Path) -> CaptionTokenizer:
    """The tokenizer that `train_tokenizer` wrote. Raises ModelError when it is absent, broken or not one of ours."""
    from tokenizers import Tokenizer

    path = folder / TOKENIZER_FILE
    if not path.is_file():
        raise ModelError(
            f"{folder} holds no tokenizer.json. Materialise bpe_tokenizer, or run `clip-pipeline tokenizer`."
        )
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # noqa: BLE001  the library raises bare Exception for a broken file
        raise ModelError(f"{path} cannot be read as a tokenizer: {error}.") from error
    try:
        config = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder / CONFIG_FILE} cannot be read: {error}. Copy the whole folder again.") from error
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
