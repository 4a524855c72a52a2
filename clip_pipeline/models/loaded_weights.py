"""Weights as a library has loaded them: whether they are numbers, and what open_clip did without a word to make them fit."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from clip_pipeline.errors import ModelError
from clip_pipeline.models.registry import ClipModel
from clip_pipeline.models.takes_images import check_takes_images

if TYPE_CHECKING:
    import torch

logger = logging.getLogger(__name__)

OF_IMAGES, OF_TEXTS = "visual.positional_embedding", ("positional_embedding", "text.positional_embedding")
RESIZED = "resized_weights"
"""The fact of what is made with a model whose weights were interpolated."""

ATTRIBUTE = "clip_pipeline_resized"


def check_finite(model: torch.nn.Module, file: str) -> None:
    """Raises ModelError where weights are NaN or infinite: every vector of the model would be none, or its training end at the first step.

    file: where they come from, for the sentence. Buffers may hold -inf, as masks do. One pass without a copy: a ViT-B/32 takes 0.06 s
    (one core, 2026-12-01).
    """
    import torch

    bad = [name for name, tensor in model.named_parameters() if not _is_finite(tensor.detach(), masks=False)]
    kept = model.state_dict().keys()  # others are made by the code
    bad += [n for n, tensor in model.named_buffers() if n in kept and not _is_finite(tensor, masks=True)]
    if not bad:
        return
    first = model.state_dict()[bad[0]]
    wrong = int((~torch.isfinite(first)).sum())
    tensors = "1 tensor" if len(bad) == 1 else f"{len(bad):,} tensors"
    raise ModelError(
        f"{file} holds {tensors} with NaN or infinity, first {bad[0]}: {wrong:,} of its {first.numel():,} values are no numbers, so no "
        "vector of the model would be one. A training that diverged leaves such weights, and so does a damaged file: take an earlier "
        "checkpoint, or copy or download it again."
    )


def _is_finite(tensor: torch.Tensor, masks: bool) -> bool:
    """masks: whether -inf counts as a number."""
    import torch

    if not tensor.is_floating_point() or not tensor.numel():
        return True
    low, high = torch.aminmax(tensor)  # both are NaN where one value is
    return bool(torch.isfinite(high)) and (masks or bool(torch.isfinite(low)))


@contextlib.contextmanager
def resizing_said(name: str) -> Iterator[list[str]]:
    """In it open_clip says, as a warning, where it interpolates position embeddings of weights that were trained in another size than the
    configuration says; the sentences are in the list. name: of the model.

    To be called in `without_foreign_code`, in which models are loaded one after another: it changes functions of open_clip's and puts them back.
    """
    import open_clip.factory as module

    plain_images, plain_texts = module.resize_pos_embed, module.resize_text_pos_embed
    said: list[str] = []

    def images(state_dict: dict[str, Any], model: ClipModel, *others: Any, **named: Any) -> None:
        before = _rows(state_dict, OF_IMAGES)
        plain_images(state_dict, model, *others, **named)
        if before and before != _rows(state_dict, OF_IMAGES):
            said.append(_images_sentence(before - 1, model.visual))

    def texts(state_dict: dict[str, Any], model: ClipModel, *others: Any, **named: Any) -> None:
        key = next((key for key in OF_TEXTS if key in state_dict), "")
        before = _rows(state_dict, key)
        plain_texts(state_dict, model, *others, **named)
        after = _rows(state_dict, key)
        if before != after:
            said.append(
                f"its weights are of texts of {before:,} tokens, context_length in its configuration says {after:,}; set it to {before:,} "
                "unless that is meant"
            )

    module.resize_pos_embed, module.resize_text_pos_embed = images, texts
    try:
        yield said
    finally:
        module.resize_pos_embed, module.resize_text_pos_embed = plain_images, plain_texts
    for sentence in said:
        logger.warning(
            "%s: %s. The position embeddings are interpolated, as open_clip does, which gives other vectors than the model was trained for.",
            name,
            sentence,
        )


def _rows(state_dict: dict[str, Any], key: str) -> int:
    return len(state_dict[key]) if key in state_dict else 0


def _images_sentence(patches: int, encoder: Any) -> str:
    """patches: of a square grid in the weights, as open_clip takes it; the class token is not among them."""
    side = round(patches**0.5)
    (high, wide), (height, width) = _pair(encoder.patch_size), _pair(encoder.image_size)
    found = f"{side * high} × {side * wide}"
    return (
        f"its weights are of images of {found} pixels ({side} × {side} patches), image_size in its configuration says {height} × {width}; "
        f"set it to {found} unless that is meant"
    )


def _pair(size: Any) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else (size[0], size[1])


def checked_model(model: ClipModel, config: dict[str, Any], name: str, file: str, resized: list[str]) -> ClipModel:
    """A loaded model, in evaluation mode, once it is known to take images and to hold numbers. file: of its weights. resized: of
    `resizing_said`, which stays with the model. Raises ModelError."""
    check_takes_images(model, config, name)
    check_finite(model, file)
    mark_resized(model, {RESIZED: "; ".join(resized)} if resized else {})
    return model.eval()


def mark_resized(model: torch.nn.Module, facts: dict[str, str]) -> None:
    """Lets `resized_facts` of the model be these."""
    setattr(model, ATTRIBUTE, facts)


def resized_facts(model: torch.nn.Module) -> dict[str, str]:
    """What was interpolated in the model's weights when they were loaded, as a fact of what is made with it; none where nothing was."""
    return dict(getattr(model, ATTRIBUTE, {}))
