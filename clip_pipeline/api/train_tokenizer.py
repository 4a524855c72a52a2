"""A tokenizer for captions of the user's own, and how well it fits them."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from clip_pipeline.settings import TokenizerSettings, fingerprinted
from clip_pipeline.settings.chosen_recipe import DEFAULTS
from clip_pipeline.settings.made import made_by
from clip_pipeline.storage.published import published_folder

CONTEXT_LENGTH = 32
"""Tokens that most models of ours see: room for two sentences of a caption."""


def train_tokenizer(
    captions: str | Path,
    output: str | Path,
    *,
    kind: str = DEFAULTS.tokenizer.kind,
    vocab_size: int = DEFAULTS.tokenizer.vocab_size,
    min_frequency: int = DEFAULTS.tokenizer.min_frequency,
    context_length: int = CONTEXT_LENGTH,
    replace: bool = False,
) -> dict[str, Any]:
    """Writes a folder that transformers and open_clip read as a tokenizer, with report.json and lengths.png.

    captions: a text file, one caption a line. kind, vocab_size, min_frequency: settings of `tokenizer`. context_length: tokens
    that a text is cut to or filled up to, both ends included. replace: also where `output` holds another tokenizer. Returns the facts of report.json: tokens, merges,
    tokens_per_caption, cut_captions (a share, 0..1), warnings (sentences) and more, as `describe_tokenizer` lists them.
    Byte-level BPE is that of Radford et al. 2019. Raises CaptionsError for a missing or empty file, ModelError for a tokenizer
    that cannot be had, SettingsError for a value outside its limits.
    """
    from clip_pipeline.sources.hub import without_waiting
    from clip_pipeline.sources.tables.caption_lines import caption_lines
    from clip_pipeline.text import tokenizer_folder
    from clip_pipeline.text.tokenizer_report import write_report

    settings = TokenizerSettings(kind=kind, vocab_size=vocab_size, min_frequency=min_frequency)
    made = made_by("tokenizer", {"captions": captions, **fingerprinted(settings), "context_length": context_length})
    with published_folder(output, made, replace) as (folder, _):
        lines = partial(caption_lines, Path(captions))
        facts = tokenizer_folder.train_tokenizer(lines, settings, context_length, folder, without_waiting)
        write_report(facts, folder)
    return facts
