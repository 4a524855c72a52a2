"""Which optimizer moves which parameter, the averaged weights, and the cap of the logit scale."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from clip_pipeline.models.registry import ClipModel
from clip_pipeline.training.optim.muon import is_hidden_matrix, muon_class

if TYPE_CHECKING:
    import torch

UNDECAYED_TABLES = ("positional_embedding", "class_embedding", "pos_embed", "cls_token")


@dataclass(frozen=True)
class OptimizerOptions:
    """How the weights are moved.

    name: adamw, or muon for the hidden matrices of the encoders and AdamW for the rest. lr: AdamW's peak; muon_lr, Muon's,
    follows the same schedule. grad_clip_norm: 0 leaves the gradients. max_logit_scale: see `cap_logit_scale`.
    """

    name: str = "adamw"
    lr: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.98)
    eps: float = 1e-6
    weight_decay: float = 0.2
    muon_lr: float = 0.02
    muon_decay: float = 0.1
    grad_clip_norm: float = 1.0
    max_logit_scale: float = 100.0


class ClipOptimizer:
    """Moves the weights of a CLIP, and of what is trained with it, once their gradients are there.

    trained: all that learns, the model inside. scaler: of fp16 gradients, or None.
    """

    def __init__(self, trained: torch.nn.Module, model: ClipModel, options: OptimizerOptions, scaler: Any = None):
        self.trained, self.model, self.options, self.scaler = trained, model, options, scaler
        self.optimizers = make_optimizers(trained, options)

    def zero_grad(self) -> None:
        """Forgets the gradients."""
        for optimizer in self.optimizers:
            optimizer.zero_grad()

    def step(self, lr: float) -> float:
        """Clips the gradients, moves the weights at the learning rate `lr` and caps the logit scale; returns the gradient's norm."""
        import torch

        set_rates(self.optimizers, lr)
        if self.scaler is not None:
            for optimizer in self.optimizers:
                self.scaler.unscale_(optimizer)
        limit = self.options.grad_clip_norm or math.inf
        norm = torch.nn.utils.clip_grad_norm_(self.trained.parameters(), limit)
        for optimizer in self.optimizers:
            if self.scaler is None:
                optimizer.step()
            else:  # leaves out a step whose scaled gradients were too large for fp16
                self.scaler.step(optimizer)
        if self.scaler is not None:
            self.scaler.update()  # and scales less from then on
        cap_logit_scale(self.model, self.options.max_logit_scale)
        return float(norm)

    def state_dict(self) -> dict[str, Any]:
        """Of the optimizers and of the scaler."""
        optimizers = [optimizer.state_dict() for optimizer in self.optimizers]
        return {"optimizers": optimizers, "scaler": self.scaler.state_dict() if self.scaler else {}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Puts back what `state_dict` gave; other entries are passed over."""
        for optimizer, stored in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(stored)
        if self.scaler is not None:
            self.scaler.load_state_dict(state["scaler"])


def make_optimizers(model: torch.nn.Module, options: OptimizerOptions) -> list[torch.optim.Optimizer]:
    """AdamW for all that learns, or AdamW and Muon. AdamW's groups: matrices and kernels with decay; biases, norms, positions
    and the scale without. Each group has the factor of its learning rate, `lr_mult`."""
    import torch

    learning = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    hidden = {}
    if options.name == "muon":
        hidden = {name: parameter for name, parameter in learning.items() if is_hidden_matrix(name, parameter)}
    rest = {name: parameter for name, parameter in learning.items() if name not in hidden}
    decayed = [parameter for name, parameter in rest.items() if is_decayed(name, parameter)]
    undecayed = [parameter for name, parameter in rest.items() if not is_decayed(name, parameter)]
    groups = [
        {"params": decayed, "weight_decay": options.weight_decay, "lr_mult": 1.0},
        {"params": undecayed, "weight_decay": 0.0, "lr_mult": 1.0},
    ]
    adamw = torch.optim.AdamW(groups, lr=options.lr, betas=options.betas, eps=options.eps, fused=True)
    if not hidden:
        return [adamw]
    by_muon = {"params": list(hidden.values()), "lr_mult": options.muon_lr / options.lr}
    return [adamw, muon_class()([by_muon], lr=options.muon_lr, weight_decay=options.muon_decay)]


def set_rates(optimizers: Iterable[torch.optim.Optimizer], lr: float) -> None:
    """Gives each group its multiple, `lr_mult`, of the learning rate."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = lr * group["lr_mult"]


def is_decayed(name: str, parameter: torch.Tensor) -> bool:
    """Whether a parameter is a matrix (or kernel) and no table of positions."""
    return parameter.ndim >= 2 and not name.endswith(UNDECAYED_TABLES)


def cap_logit_scale(model: ClipModel, largest: float) -> None:
    """Keeps the learned logit scale within 1 and `largest`; `model.logit_scale` is its logarithm.

    A scale above 100 makes training unstable (Radford et al. 2021, section 2.5).
    """
    import torch

    with torch.no_grad():
        model.logit_scale.clamp_(0.0, math.log(largest))


class AveragedWeights:
    """Exponential moving average of all weights and of the batch norms' statistics.

    The model's tensors are looked up once: training and loading change them in place.
    """

    def __init__(self, model: torch.nn.Module, decay: float):
        self.decay = decay
        self.steps = 0
        followed = {name: tensor.detach() for name, tensor in model.state_dict().items()}
        self.weights = {name: tensor.clone() for name, tensor in followed.items()}
        floats = {name: tensor for name, tensor in followed.items() if tensor.is_floating_point()}
        self._floats = [self.weights[name] for name in floats], list(floats.values())
        self._counters = [(self.weights[name], tensor) for name, tensor in followed.items() if name not in floats]

    def update(self) -> None:
        """Takes in the weights after one optimizer step; the first steps count more, so a short run is not left behind."""
        import torch

        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        torch._foreach_lerp_(*self._floats, 1 - decay)
        for averaged, counter in self._counters:
            averaged.copy_(counter)
