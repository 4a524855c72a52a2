"""A trained model as a folder that open_clip itself reads: `open_clip.create_model_and_transforms("local-dir:FOLDER")`.

open_clip_config.json         the model's configuration and the image preprocessing
open_clip_model.safetensors   the weights
tokenizer.json, …             the tokenizer, as transformers reads it
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clip_pipeline.errors import ModelError
from clip_pipeline.machine.foreign_code import (
    loading_reason,
    panics_are_errors,
    read_settings_file,
    refuse_code_of_folder,
    without_foreign_code,
)
from clip_pipeline.machine.progress import waiting
from clip_pipeline.models.loaded_weights import checked_model, resizing_said
from clip_pipeline.models.pooled_text_encoder import token_pooling_understood
from clip_pipeline.models.pretrained import check_name, load_named_model, open_clip_tokenizer
from clip_pipeline.models.registry import FOLDER_CONFIG_FILE as CONFIG_FILE
from clip_pipeline.models.registry import LOCAL_DIR, check_config, image_size_of
from clip_pipeline.models.torchvision_operators import load_open_clip
from clip_pipeline.models.weights_file import check_weights_file, misfit_reason, weights_file_of
from clip_pipeline.text.tokenizer import check_tokenizer_size

if TYPE_CHECKING:
    import torch

logger = logging.getLogger(__name__)

WEIGHTS_FILE = "open_clip_model.safetensors"
TOKENIZER_FILES = (
    *("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"),
    *("vocab.json", "merges.txt", "vocab.txt", "added_tokens.json", "config.json"),
    *("spiece.model", "sentencepiece.bpe.model", "sentencepiece.model", "tokenizer.model"),
)
"""Those that transformers may read of a tokenizer, the first three being all of one of ours."""


def save_model_folder(
    model: torch.nn.Module,
    config: dict[str, Any],
    preprocess: dict[str, Any],
    tokenizer_folder: Path | None,
    folder: Path,
) -> None:
    """Writes the open_clip folder; the same weights give the same bytes.

    config: the fitted configuration (`registry.with_tokenizer`). preprocess: of `preprocess_config`. tokenizer_folder: None for a
    model whose tokenizer is open_clip's own, which has no files.
    Raises ModelError when the tokenizer's folder lacks the tokenizer.
    """
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    of_tokenizer = [tokenizer_folder / name for name in TOKENIZER_FILES] if tokenizer_folder else []
    if of_tokenizer and not any(path.is_file() for path in of_tokenizer):
        raise ModelError(f"{tokenizer_folder} holds no tokenizer.json. Materialise bpe_tokenizer first.")
    weights = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in sorted(model.state_dict().items())}
    save_file(weights, folder / WEIGHTS_FILE, metadata={"format": "pt"})
    for path in of_tokenizer:
        if path.is_file():
            shutil.copyfile(path, folder / path.name)
    described = {"model_cfg": config, "preprocess_cfg": preprocess}
    (folder / CONFIG_FILE).write_text(json.dumps(described, indent=2) + "\n", encoding="utf-8")


def check_model(name: str | Path) -> None:
    """A look at a model, by any name that `open_model` takes, before torch is loaded and photos are read: that a folder is complete, or
    that the name means something. Raises ModelError."""
    name = str(name).removeprefix(LOCAL_DIR)
    folder = Path(name).expanduser()
    if folder.is_dir():
        read_folder_config(folder)
    else:
        check_name(name)


def open_model(
    name: str | Path, device: str = "cpu"
) -> tuple[torch.nn.Module, Callable[[Any], torch.Tensor], Callable[..., torch.Tensor]]:
    """Any model of open_clip: (model in evaluation mode, preprocess: PIL image -> (3, S, S), tokenizer: texts -> (N, L) ids).

    name: a folder of open_clip's form, ours or another's (with or without `local-dir:` before it), or a name as in
    `pretrained`: ARCHITECTURE/TAG, ARCHITECTURE/FILE, hf-hub:OWNER/NAME. Raises ModelError with what to do instead.
    """
    name = str(name).removeprefix(LOCAL_DIR)
    folder = Path(name).expanduser()
    if folder.is_dir():
        return load_model_folder(folder, device)
    return load_named_model(name, device)


def load_model_folder(
    folder: str | Path, device: str = "cpu"
) -> tuple[torch.nn.Module, Callable[[Any], torch.Tensor], Callable[..., torch.Tensor]]:
    """(model in evaluation mode, preprocess: PIL image -> (3, S, S), tokenizer: texts -> (N, L) ids).

    folder: an open_clip folder, ours or another's. Nothing in it is run. Raises ModelError when it is incomplete, does not fit
    together, or asks for code of its own.
    """
    folder = Path(folder)
    config = read_folder_config(folder)["model_cfg"]
    open_clip = load_open_clip()

    weights = read = weights_file_of(folder)
    try:
        with (
            waiting(f"Loading the model {folder}"),
            without_foreign_code(str(folder)),
            panics_are_errors(),
            token_pooling_understood(),
            resizing_said(str(folder)) as resized,
        ):
            model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{folder}", device=device)
            read = folder / TOKENIZER_FILES[0]
            tokenizer = open_clip_tokenizer(f"local-dir:{folder}", config)
            _check_tokenizer(folder, model, tokenizer)
    except ModelError:
        raise
    except Exception as error:
        name = read.name if read else CONFIG_FILE
        part = "the tokenizer of the model" if name == TOKENIZER_FILES[0] else "the model"
        raise ModelError(
            f"open_clip cannot load {part} in {folder}: {misfit_reason(error, name) or loading_reason(error)} Train it again, or copy the "
            "whole folder again."
        ) from error
    return checked_model(model, config, str(folder), str(weights), resized), preprocess, tokenizer


def read_folder_config(folder: Path) -> dict[str, Any]:
    """What open_clip_config.json says (model_cfg, preprocess_cfg), once the folder is looked through: that it is complete, and asks for
    no code. Raises ModelError."""
    if not folder.is_dir():
        raise ModelError(f"{folder} is no folder. Expected a model folder, such as `clip-pipeline train` writes.")
    weights = weights_file_of(folder)
    missing = [CONFIG_FILE] * (not (folder / CONFIG_FILE).is_file()) + [WEIGHTS_FILE] * (weights is None)
    if missing:
        raise ModelError(
            f"{folder} holds no {' and no '.join(missing)}. Expected a model folder, such as `clip-pipeline train` writes.{_instead(folder)}"
        )
    config = read_settings_file(folder / CONFIG_FILE)
    if not isinstance(config, dict) or "model_cfg" not in config:
        raise ModelError(
            f"{folder / CONFIG_FILE} has no model_cfg. Expected open_clip's format: "
            '{"model_cfg": {"embed_dim": ..., "vision_cfg": ..., "text_cfg": ...}, "preprocess_cfg": ...}.'
        )
    check_config(config["model_cfg"], str(folder / CONFIG_FILE))
    refuse_code_of_folder(folder)
    _say_other_size(config, folder / CONFIG_FILE)
    if weights is not None:
        check_weights_file(weights)
    if (folder / TOKENIZER_FILES[0]).exists():
        check_tokenizer_size(folder / TOKENIZER_FILES[0])
    elif config["model_cfg"]["text_cfg"].get("hf_tokenizer_name") and not any(
        (folder / name).is_file() for name in TOKENIZER_FILES if name != "config.json"
    ):
        raise ModelError(
            f"{folder} holds no tokenizer.json, and its configuration says that the tokenizer lies there. Copy the whole folder again, or save "
            "the tokenizer into it."
        )
    return config


def _say_other_size(config: dict[str, Any], path: Path) -> None:
    """A warning where preprocess_cfg has another size than the encoder's, which open_clip passes over without a word."""
    prepared = config.get("preprocess_cfg")
    size = prepared.get("size") if isinstance(prepared, dict) else None
    sides = [size] if isinstance(size, int) else size
    height, width = image_size_of(config["model_cfg"])
    if isinstance(sides, list) and sides and (sides[0], sides[-1]) != (height, width):
        logger.warning(
            "%s: size of preprocess_cfg is %s, image_size of vision_cfg is %s × %s: images are prepared in %s × %s, as open_clip does. Set both "
            "to the size that the model was trained in.",
            path,
            " × ".join(str(side) for side in sides),
            *(height, width, height, width),
        )


def _instead(folder: Path) -> str:
    """What lies there in the place of a model folder, and what to do with it, as a sentence."""
    inside = [path.name for path in sorted(folder.iterdir()) if (path / CONFIG_FILE).is_file()]
    checkpoints = [path.name for path in sorted(folder.glob("*.pt"))]
    if inside:
        return f" In it {inside[0]} is one: give {folder / inside[0]}."
    if checkpoints:
        return f" {checkpoints[0]} is not read by its ending: call it open_clip_pytorch_model.bin, or give ARCHITECTURE/{folder / checkpoints[0]}."
    if (folder / "config.json").is_file() and not (folder / CONFIG_FILE).is_file():
        return " Its config.json is that of transformers, whose weights have other names: get the model in open_clip's form."
    return ""


def _check_tokenizer(folder: Path, model: torch.nn.Module, tokenizer: Any) -> None:
    """An id beyond the token table would be an IndexError deep inside torch."""
    inner = getattr(
        tokenizer, "tokenizer", None
    )  # open_clip's own tokenizer of CLIP has none, and fits by construction
    rows = int(getattr(model, "vocab_size", 0) or 0)
    if inner is None or not rows:
        return
    tokens = max(inner.get_vocab().values()) + 1
    if tokens > rows:
        raise ModelError(
            f"The tokenizer in {folder} has {tokens:,} tokens, the model was trained with {rows:,}. "
            "They belong to different models: copy both from one training."
        )
