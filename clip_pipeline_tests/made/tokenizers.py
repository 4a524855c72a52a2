"""Tokenizers of files of captions."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from clip_pipeline.settings import TokenizerSettings
from clip_pipeline.sources.hub import without_waiting
from clip_pipeline.sources.tables.caption_lines import caption_lines
from clip_pipeline.text import tokenizer_folder


def train_tokenizer(captions: Path, settings: TokenizerSettings, context_length: int, folder: Path) -> dict[str, Any]:
    """As the pipeline makes one."""
    lines = partial(caption_lines, captions)
    return tokenizer_folder.train_tokenizer(lines, settings, context_length, folder, without_waiting)
