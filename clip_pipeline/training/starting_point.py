"""What a training begins with: a new model of its settings with the tokenizer of the captions, or a model that is gone on from, as it is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clip_pipeline.errors import ModelError
from clip_pipeline.models.form import ModelForm, form_of
from clip_pipeline.models.preprocessing import preprocess_config
from clip_pipeline.models.registry import context_length_of, vocab_size_of, with_tokenizer, without_tokenizer
from clip_pipeline.models.text_pooling import reads_bytes
from clip_pipeline.text.byte_tokenizer import ByteTokenizer
from clip_pipeline.text.own_tokenizer import OpenClipTokenizer, TrainingTokenizer, is_made_here
from clip_pipeline.text.tokenizer import TOKENIZER_FILE, load_tokenizer
from clip_pipeline.training.model.initial_model import with_loss

CHECKED_TEXTS = ["a photo of a red cup, on 2 tables", "Élan vital: naïve \u2014 \u4f60\u597d!", ""]


@dataclass(frozen=True)
class StartingPoint:
    """config: of open_clip's form, with the tokenizer's and the loss's entries. preprocess: of images, in open_clip's words.
    tokenizer_folder: where the tokenizer's files are, None for CLIP's own and for bytes, which have none. tokenizer_bytes: what tells it from another,
    beyond the files of the model that is gone on from."""

    config: dict[str, Any]
    preprocess: dict[str, Any]
    tokenizer: TrainingTokenizer
    tokenizer_folder: Path | None
    tokenizer_bytes: bytes

    @property
    def context_length(self) -> int:
        """Tokens that the text encoder sees."""
        return context_length_of(self.config)

    @property
    def image_size(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        height, width = self.preprocess["size"]
        return height, width

    @property
    def token_rows(self) -> int | None:
        """Rows of the token table; None where the text encoder is one of transformers, which has its own."""
        return None if self.config["text_cfg"].get("hf_model_name") else vocab_size_of(self.config)


def starting_point(
    config: dict[str, Any], init_from: str, loss: str, tokenizer_folder: Path | None, work_folder: Path
) -> StartingPoint:
    """config: the architecture, as `architecture_of` gives it. init_from: a model whose weights are gone on from, "" for none. tokenizer_folder: of a new model, not
    looked at where it reads bytes; one that is gone on from brings its own tokenizer, whose tokens its weights know. work_folder: for the files of a tokenizer that
    is known by its name alone. Raises ModelError."""
    if init_from:
        return _of_model(config, form_of(init_from), loss, work_folder)
    if reads_bytes(config):
        fitted = without_tokenizer(config)
        return StartingPoint(
            with_loss(fitted, loss), preprocess_config(config), ByteTokenizer(context_length_of(config)), None, b""
        )
    if tokenizer_folder is None:
        raise ModelError(
            "The model reads the tokens of a tokenizer, and none was given. Make one with `clip-pipeline tokenizer`."
        )
    tokenizer = load_tokenizer(tokenizer_folder)
    fitted = with_tokenizer(config, tokenizer.vocab_size, tokenizer.pad_id, tokenizer.end_id, tokenizer.context_length)
    preprocess, identity = preprocess_config(config), (tokenizer_folder / TOKENIZER_FILE).read_bytes()
    return StartingPoint(with_loss(fitted, loss), preprocess, tokenizer, tokenizer_folder, identity)


def _of_model(config: dict[str, Any], form: ModelForm, loss: str, work_folder: Path) -> StartingPoint:
    config, text = with_loss(config, loss), form.config["text_cfg"]
    if reads_bytes(config):
        return StartingPoint(config, form.preprocess, ByteTokenizer(context_length_of(config)), None, b"")
    plain = not text.get("tokenizer_kwargs") and not text.get("tokenizer_mode")
    if form.brings_tokenizer and form.folder is not None and plain and is_made_here(form.folder):
        return StartingPoint(config, form.preprocess, load_tokenizer(form.folder), form.folder, b"")
    tokenizer = OpenClipTokenizer(form.open_tokenizer())
    folder = form.folder if form.brings_tokenizer else None
    if form.brings_tokenizer and folder is None:
        folder = work_folder / "tokenizer_of_model"
        _keep_tokenizer(form, tokenizer, folder)
    return StartingPoint(config, form.preprocess, tokenizer, folder, b"")


def _keep_tokenizer(form: ModelForm, tokenizer: OpenClipTokenizer, folder: Path) -> None:
    """Writes the files of a tokenizer that is known by its name, and sees that they give the same ids. Raises ModelError."""
    tokenizer.save(folder)
    length = context_length_of(form.config)
    again = OpenClipTokenizer(form.open_tokenizer(folder))
    if (tokenizer.encode(CHECKED_TEXTS, length) != again.encode(CHECKED_TEXTS, length)).any():
        raise ModelError(
            f"The tokenizer of {form.name} gives other tokens once it is saved as files, so a model folder with it would embed other "
            "texts. Download the model as a folder (`hf download`) and go on from that."
        )
