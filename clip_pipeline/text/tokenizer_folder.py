"""Tokenizers made of captions, or of a ready tokenizer, as folders that transformers and open_clip read.

What a caption says is never a special token: a literal "[EOS]" in it is read as letters (`split_special_tokens`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from clip_pipeline.errors import CaptionsError, ModelError
from clip_pipeline.settings import TokenizerSettings
from clip_pipeline.sources.tables.text_files import text_lines
from clip_pipeline.text.bpe import END, PAD, START, learn_bpe
from clip_pipeline.text.ready_tokenizers import clip_tokenizer, hugging_face_tokenizer
from clip_pipeline.text.tokenizer import CONFIG_FILE, TOKENIZER_FILE, load_tokenizer
from clip_pipeline.text.tokenizer_report import describe_tokenizer

SPECIAL_TOKENS_FILE = "special_tokens_map.json"
MIN_CONTEXT = 3
"""Both ends and one token between them."""


def train_tokenizer(
    corpus_path: Path, settings: TokenizerSettings, context_length: int, folder: Path
) -> dict[str, Any]:
    """Makes the tokenizer of `settings.kind`, writes its folder, and says how well it fits the captions.

    corpus_path: a text file, one caption a line. bpe learns from it; the others are only measured on it.
    context_length: tokens of the text encoder, both ends included. Returns the facts of
    `tokenizer_report.describe_tokenizer`. Raises CaptionsError for a missing or empty corpus, ModelError for a tokenizer
    that cannot be had or a context that is too short.
    """
    if context_length < MIN_CONTEXT:
        raise ModelError(
            f"The context length is {context_length}, the least that works is {MIN_CONTEXT}: both ends and a token."
        )
    if not corpus_path.is_file():
        found = (
            f"{corpus_path} is a folder" if corpus_path.exists() else f"The caption file {corpus_path} does not exist"
        )
        raise CaptionsError(f"{found}. Expected a text file, one caption a line.")
    if settings.kind == "bpe":
        tokenizer = learn_bpe(_corpus_lines(corpus_path), settings)
        names = {"bos_token": START, "eos_token": END, "pad_token": PAD}
    else:
        tokenizer, names = clip_tokenizer() if settings.kind == "clip" else hugging_face_tokenizer(settings.kind)
    _write_folder(tokenizer, names, context_length, folder)
    asked = settings.vocab_size if settings.kind == "bpe" else None
    return describe_tokenizer(load_tokenizer(folder), _corpus_lines(corpus_path), context_length, asked)


def _corpus_lines(path: Path) -> Iterator[str]:
    """Captions of a text in UTF-8 or UTF-16, packed or not, without a byte order mark."""
    found = False
    for line in text_lines(path, CaptionsError):
        if line.strip():
            found = True
            yield line.rstrip("\r\n")
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
