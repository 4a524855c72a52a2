"""The layers of an image encoder from the input to the output, found the same way in every architecture.

A block is what an encoder repeats: a transformer's residual block, a ResNet's bottleneck, a ConvNeXt's block. What comes before
the first is the stem, what comes after the last (final norm, pooling, projection) is the tail.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from clip_pipeline.errors import ModelError
from clip_pipeline.models.token_pooling import KEY

if TYPE_CHECKING:
    import torch

TAIL_PARAMETERS = ("proj",)
"""Parameters that open_clip's transformer holds itself, so that they are listed before the blocks, and uses after them."""


@dataclass(frozen=True)
class EncoderLayers:
    """blocks: names of the modules, from the input on. layer_of: parameter name → 0 (stem), 1 … B (block), B + 1 (tail)."""

    blocks: tuple[str, ...]
    layer_of: dict[str, int]

    @property
    def top(self) -> int:
        """The number of the tail."""
        return len(self.blocks) + 1

    def layers_above(self, parameter: str) -> int:
        """How many layers lie between a parameter's and the classes: 0 in the tail, 1 in the last block."""
        return self.top - self.layer_of[parameter]

    def from_block(self, count: int) -> list[str]:
        """Parameters of the last `count` blocks and of the tail."""
        return [name for name, layer in self.layer_of.items() if layer > len(self.blocks) - count]


def encoder_layers(visual: torch.nn.Module) -> EncoderLayers:
    """The layers of an image encoder (`model.visual`). Raises ModelError where no block can be found."""
    blocks = tuple(_find_blocks("", visual))
    if not blocks:
        raise ModelError(
            f"No blocks were found in the image encoder {type(visual).__name__}: methods that treat layers differently "
            "cannot be used with it. Choose among zero_shot, linear_probe, layer_norm, full, lp_then_ft, wise_ft, lora."
        )
    layer_of, reached = {}, 0
    for name, _ in visual.named_parameters():
        inside = next((place for place, block in enumerate(blocks, 1) if name.startswith(f"{block}.")), 0)
        if inside:
            reached = layer_of[name] = inside
        elif name.startswith(f"{KEY}."):
            reducer: Any = visual.token_pooling  # what lies between two blocks goes with the second
            layer_of[name] = reducer.pooling.after_layer + 1
        elif name in TAIL_PARAMETERS:
            layer_of[name] = len(blocks) + 1
        else:
            # what lies between two blocks, such as a ConvNeXt's downsampling, goes with the one that it leads to
            layer_of[name] = reached + 1 if reached else 0
    return EncoderLayers(blocks, layer_of)


def _find_blocks(name: str, module: Any) -> list[str]:
    children = [(f"{name}.{key}" if name else key, child) for key, child in module.named_children()]
    if _is_row_of_blocks(module):
        return [path for path, _ in children]
    return [block for path, child in children for block in _find_blocks(path, child)]


def _is_row_of_blocks(module: Any) -> bool:
    """Whether its children are blocks: all of one kind, with parts of their own, and no rows of blocks themselves."""
    import torch

    children = list(module.children())
    is_list = isinstance(module, (torch.nn.Sequential, torch.nn.ModuleList))
    if len(children) < (1 if is_list else 2) or len({type(child) for child in children}) > 1:
        return False
    return all(_has_parts(child) and not _holds_rows(child) for child in children)


def _has_parts(module: Any) -> bool:
    import torch

    is_list = isinstance(module, (torch.nn.Sequential, torch.nn.ModuleList, torch.nn.MultiheadAttention))
    return not is_list and any(True for _ in module.children()) and any(True for _ in module.parameters())


def _holds_rows(module: Any) -> bool:
    return any(_is_row_of_blocks(child) for child in module.children())
