"""An encoder whose weights stay as they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from clip_pipeline.models.registry import ClipModel
from clip_pipeline.training.model.batch_norms import batch_norms_of

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class FrozenEncoder:
    """encoder: image or text. norms: whether its normalisation layers are frozen too."""

    encoder: str
    norms: bool = True


def freeze_encoder(model: ClipModel, frozen: FrozenEncoder) -> None:
    """Takes the weights of the encoder out of the training."""
    norms = norm_parameters(model)
    for name, parameter in model.named_parameters():
        if in_encoder(name, frozen.encoder) and (frozen.norms or name not in norms):
            parameter.requires_grad_(False)


def training_mode(model: ClipModel, frozen: FrozenEncoder | None = None, keeps_statistics: bool = False) -> None:
    """Dropout and batch statistics on, but off in a frozen encoder: its features must not change.

    keeps_statistics: whether all batch norms go by the means and variances that they have, and leave them.
    """
    model.train()
    if keeps_statistics:
        for norm in batch_norms_of(model):
            norm.training = False
    if frozen is None:
        return
    for name, module in model.named_modules():
        if name and in_encoder(name, frozen.encoder) and (frozen.norms or not _is_norm(module)):
            module.training = False


def in_encoder(name: str, encoder: str) -> bool:
    """Whether a weight or module of that name is of the encoder, image or text."""
    if name.startswith("logit_"):
        return False
    return name.startswith("visual") == (encoder == "image")


def norm_parameters(model: torch.nn.Module) -> set[str]:
    """Names of the weights and biases of all normalisation layers."""
    return {
        f"{name}.{own}"
        for name, module in model.named_modules()
        if _is_norm(module)
        for own, _ in module.named_parameters(recurse=False)
    }


def _is_norm(module: torch.nn.Module) -> bool:
    import torch

    return isinstance(module, (torch.nn.LayerNorm, torch.nn.GroupNorm, torch.nn.modules.batchnorm._BatchNorm))
