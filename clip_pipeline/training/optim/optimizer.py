"""Which optimizer moves which parameter, the averaged weights, and the cap of the logit scale."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from clip_pipeline.models.registry import ClipModel
from clip_pipeline.settings import TrainingSettings
from clip_pipeline.training.optim.muon import Muon, is_hidden_matrix

if TYPE_CHECKING:
    import torch

UNDECAYED_TABLES = ("positional_embedding", "class_embedding", "pos_embed", "cls_token")


def make_optimizers(model: torch.nn.Module, settings: TrainingSettings) -> list[torch.optim.AdamW | Muon]:
    """AdamW for all that learns, or Muon for the hidden matrices of the encoders and AdamW for the rest.

    AdamW's groups: matrices and kernels with decay; biases, norms, positions and the scale without.
    """
    import torch

    learning = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    hidden = {}
    if settings.optimizer == "muon":
        hidden = {name: parameter for name, parameter in learning.items() if is_hidden_matrix(name, parameter)}
    rest = {name: parameter for name, parameter in learning.items() if name not in hidden}
    decayed = [parameter for name, parameter in rest.items() if is_decayed(name, parameter)]
    undecayed = [parameter for name, parameter in rest.items() if not is_decayed(name, parameter)]
    groups = [{"params": decayed, "weight_decay": settings.weight_decay}, {"params": undecayed, "weight_decay": 0.0}]
    adamw = torch.optim.AdamW(
        groups,
        lr=settings.learning_rate,
        betas=(settings.beta_1, settings.beta_2),
        eps=settings.epsilon,
        fused=True,
    )
    return [adamw, Muon(list(hidden.values()), settings.muon_lr, settings.muon_decay)] if hidden else [adamw]


def set_rates(optimizers: list[torch.optim.AdamW | Muon], rate: float, settings: TrainingSettings) -> None:
    """Gives AdamW the rate of the step, and Muon the same share of its own peak."""
    for optimizer in optimizers:
        share = settings.muon_lr / settings.learning_rate if isinstance(optimizer, Muon) else 1.0
        for group in optimizer.param_groups:
            group["lr"] = rate * share


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
