"""The ways of adapting: which parameters of the image encoder learn, at which share of the learning rate, from which head."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clip_pipeline.adaptation.lora import add_lora
from clip_pipeline.errors import SettingsError, nearest_name
from clip_pipeline.models.layers import encoder_layers

if TYPE_CHECKING:
    import torch

Rates = dict[str, float]
"""Parameter of the image encoder → its share of the learning rate; one that is not named stays as it is."""


@dataclass(frozen=True)
class MethodOptions:
    """How far the methods reach.

    peft_lr_mult: factor of the learning rate for what changes few numbers, norms and the matrices of lora. layer_decay: factor
    from each layer to the one below it. top_blocks: that layer_decay_top trains, 0 for five of twelve. last_blocks: that
    last_blocks trains. lora_rank: see `add_lora`.
    """

    peft_lr_mult: float = 10.0
    layer_decay: float = 0.65
    top_blocks: int = 0
    last_blocks: int = 1
    lora_rank: int = 8


@dataclass(frozen=True)
class Method:
    """One way. rates: None where nothing is trained by steps. head: what the classes begin as, texts or the linear probe.

    interpolated: whether the trained weights are then mixed with those before.
    """

    name: str
    about: str
    rates: Callable[[torch.nn.Module, MethodOptions], Rates] | None = None
    head: str = "texts"
    interpolated: bool = False


def _all(visual: torch.nn.Module, options: MethodOptions) -> Rates:
    return {name: 1.0 for name, _ in visual.named_parameters()}


def _norms(visual: torch.nn.Module, options: MethodOptions) -> Rates:
    return {name: options.peft_lr_mult for name in norm_parameters(visual)}


def norm_parameters(visual: torch.nn.Module) -> list[str]:
    """Scales and shifts of all normalisation layers, LayerNorm, BatchNorm or any other."""
    return [
        f"{path}.{name}" if path else name
        for path, module in visual.named_modules()
        if "norm" in type(module).__name__.lower()
        for name, _ in module.named_parameters(recurse=False)
    ]


def _decayed(visual: torch.nn.Module, options: MethodOptions) -> Rates:
    """lr · d^depth, depth counted in layers: 0 for the tail, 1 for the last block, the same for all tensors of a layer."""
    layers = encoder_layers(visual)
    return {name: options.layer_decay ** layers.layers_above(name) for name in layers.layer_of}


def _decayed_at_the_top(visual: torch.nn.Module, options: MethodOptions) -> Rates:
    layers = encoder_layers(visual)
    count = options.top_blocks or -(-len(layers.blocks) * 5 // 12)  # blocks 11 to 7 of the twelve of a ViT-B
    decayed = _decayed(visual, options)
    return {name: decayed[name] for name in layers.from_block(count)}


def _last_blocks(visual: torch.nn.Module, options: MethodOptions) -> Rates:
    return dict.fromkeys(encoder_layers(visual).from_block(options.last_blocks), 1.0)


def _lora(visual: torch.nn.Module, options: MethodOptions) -> Rates:
    return dict.fromkeys(add_lora(visual, options.lora_rank), options.peft_lr_mult)


METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        Method("zero_shot", "Nothing is trained: the class whose texts are nearest."),
        Method("linear_probe", "Logistic regression on the embeddings as they are.", head="probe"),
        Method("layer_norm", "The scales and shifts of the normalisation layers, and the head.", _norms),
        Method("layer_decay", "All weights, each layer more slowly than the one above it.", _decayed),
        Method("layer_decay_top", "The upper five twelfths of the blocks, each more slowly than the one above.", _decayed_at_the_top),
        Method("last_blocks", "The last blocks, what follows them, and the head.", _last_blocks),
        Method("full", "All weights at one rate.", _all),
        Method("lp_then_ft", "All weights at one rate, from the head of the linear probe (Kumar et al. 2022).", _all, head="probe"),
        Method("wise_ft", "Weights between those of full and those before (Wortsman et al. 2022).", _all, interpolated=True),
        Method("lora", "Low-rank matrices added to every weight, and the head (Hu et al. 2021).", _lora),
    )
}  # fmt: skip


def parse_methods(text: str) -> tuple[str, ...]:
    """The methods of `adaptation.methods`, in the order of METHODS. Raises SettingsError for an unknown one, or for none."""
    named = [part.strip() for part in text.split(",") if part.strip()]
    for name in named:
        if name not in METHODS:
            raise SettingsError(f'There is no way of adapting called "{name}". {nearest_name(name, METHODS)}')
    if not named:
        raise SettingsError(f"adaptation.methods is empty. Choose among {', '.join(METHODS)}.")
    return tuple(name for name in METHODS if name in named)


def parse_alphas(text: str) -> list[float]:
    """The shares of `adaptation.alphas`, ascending. Raises SettingsError for one outside 0..1, or for none."""
    try:
        alphas = sorted({float(part) for part in text.split(",") if part.strip()})
    except ValueError:
        alphas = []
    if not alphas or alphas[0] < 0 or alphas[-1] > 1:
        raise SettingsError(f'adaptation.alphas is "{text}". Write shares between 0 and 1 with commas, as in 0,0.5,1.')
    return alphas
