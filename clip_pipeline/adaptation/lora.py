"""LoRA: a frozen weight W becomes W + B·A, of which only the two thin matrices learn (Hu et al. 2021).

It is laid over every linear layer, attention projection and convolution of an encoder; a kernel counts as a matrix of (channels
out, channels in × height × width), so an encoder of 3×3 convolutions gains as well as one of 1×1 or of transformers. B begins as
nought: before the first step the model is unchanged.
"""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

MATRICES = ("weight", "in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight")
"""Names under which linear layers, convolutions and torch's attention hold their matrices."""


def add_lora(encoder: torch.nn.Module, rank: int, scale: float = 1.0) -> list[str]:
    """Freezes the encoder and lays B·A · scale over its weights; returns the names of the parameters that now learn.

    rank: columns of B, at most the smaller side of each weight. The random A comes from torch's global generator.
    """
    from torch.nn.utils.parametrize import register_parametrization

    for parameter in encoder.parameters():
        parameter.requires_grad_(False)
    for module, name in weights_for_lora(encoder):
        update = _update_class()(getattr(module, name), rank, scale)
        register_parametrization(module, name, update)
    return [name for name, parameter in encoder.named_parameters() if parameter.requires_grad]


def merge_lora(encoder: torch.nn.Module) -> None:
    """Writes each W + B·A into the weight: the encoder is of its own kind again, as fast as before, and answers the same."""
    from torch.nn.utils.parametrize import remove_parametrizations

    for module in list(encoder.modules()):
        for name in list(getattr(module, "parametrizations", ())):
            remove_parametrizations(module, name, leave_parametrized=True)


def weights_for_lora(encoder: torch.nn.Module) -> list[tuple[Any, str]]:
    """(module, name of its weight) of all matrices and of the kernels of convolutions without groups."""
    import torch

    kinds = (torch.nn.Linear, torch.nn.Conv2d, torch.nn.MultiheadAttention)
    found = []
    for module in encoder.modules():
        if isinstance(module, kinds) and getattr(module, "groups", 1) == 1:
            own = dict(module.named_parameters(recurse=False))
            found += [(module, name) for name in MATRICES if name in own]
    return found


@cache
def _update_class() -> Any:
    """A class, made here because torch is imported only where it is used."""
    import torch

    class LowRankUpdate(torch.nn.Module):
        """What is added to one weight."""

        def __init__(self, weight: torch.Tensor, rank: int, scale: float):
            super().__init__()
            out, inside = weight.shape[0], weight[0].numel()
            rank = min(rank, out, inside)
            self.scale = scale
            self.up = torch.nn.Parameter(torch.zeros(out, rank, device=weight.device))
            self.down = torch.nn.Parameter(torch.empty(rank, inside, device=weight.device))
            torch.nn.init.kaiming_uniform_(self.down, a=math.sqrt(5))

        def forward(self, weight: torch.Tensor) -> torch.Tensor:
            return weight + (self.up @ self.down).view_as(weight) * self.scale

    return LowRankUpdate
