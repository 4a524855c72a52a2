"""Tokenizers made of captions, or of a ready tokenizer, as folders that transformers and open_clip read.

What a caption says is never a special token: a literal "[EOS]" in it is read as letters (`split_special_tokens`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from clip_pipeline.errors import ModelError
from clip_pipeline.settings import TokenizerSettings
from clip_pipeline.text.bpe import END, PAD, START, learn_bpe
from clip_pipeline.text.ready_tokenizers import clip_tokenizer, hugging_face_tokenizer
from clip_pipeline.text.tokenizer import CONFIG_FILE, TOKENIZER_FILE, load_tokenizer
from clip_pipeline.text.tokenizer_report import describe_tokenizer

SPECIAL_TOKENS_FILE = "special_tokens_map.json"
MIN_CONTEXT = 3
"""Both ends and one token between them."""


def train_tokenizer(
    captions: Callable[[], Iterator[str]],
    settings: TokenizerSettings,
    context_length: int,
    folder: Path,
    hub: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> dict[str, Any]:
    """Makes the tokenizer of `settings.kind`, writes its folder, and says how well it fits the captions.

    captions: called for each pass over them. bpe learns from them; the others are only measured on them.
    context_length: tokens of the text encoder, both ends included. hub: inside it a tokenizer of Hugging Face is asked for. Returns the facts of
    `tokenizer_report.describe_tokenizer`. Raises what `captions` raises, and ModelError for a tokenizer
    that cannot be had or a context that is too short.
    """
    if context_length < MIN_CONTEXT:
        raise ModelError(
            f"The context length is {context_length}, the least that works is {MIN_CONTEXT}: both ends and a token."
        )
    if settings.kind == "bpe":
        tokenizer = learn_bpe(captions(), settings)
        names = {"bos_token": START, "eos_token": END, "pad_token": PAD}
    elif settings.kind == "clip":
        tokenizer, names = clip_tokenizer()
    else:
        next(captions())  # a missing file is said before anything is fetched
        tokenizer, names = hugging_face_tokenizer(settings.kind, hub)
    _write_folder(tokenizer, names, context_length, folder)
    asked = settings.vocab_size if settings.kind == "bpe" else None
    return describe_tokenizer(load_tokenizer(folder), captions(), context_length, asked)


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
