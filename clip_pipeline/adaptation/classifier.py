"""A image encoder with a head of classes on it: what adaptation trains and scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from clip_pipeline.training.model.precision import autocast

if TYPE_CHECKING:
    import torch

    from clip_pipeline.adaptation.data import AdaptationData

SCORED_AT_A_TIME = 64


@dataclass
class Classifier:
    """logits = scale · (unit feature · weightᵀ) + bias, raw: the cross-entropy takes the softmax, over the classes.

    weight_CD begins as the classes' unit text vectors, so that the untrained classifier is zero-shot CLIP. With the fixed
    scale, CLIP's own, a step of the same size moves a logit as much in the head as below it.
    """

    visual: Any
    weight_CD: torch.Tensor
    bias_C: torch.Tensor
    scale: float

    @classmethod
    def of_texts(cls, visual: Any, classes_CD: np.ndarray, scale: float, device: str) -> Classifier:
        """Zero-shot CLIP. classes_CD: unit vectors."""
        return cls.of_weights(visual, classes_CD * scale, np.zeros(len(classes_CD)), scale, device)

    @classmethod
    def of_weights(
        cls, visual: Any, weights_CD: np.ndarray, bias_C: np.ndarray, scale: float, device: str
    ) -> Classifier:
        """With the weights of a logistic regression on unit features."""
        import torch

        weight = torch.tensor(weights_CD / scale, dtype=torch.float32, device=device, requires_grad=True)
        bias = torch.tensor(bias_C, dtype=torch.float32, device=device, requires_grad=True)
        return cls(visual, weight, bias, scale)

    def features(self, pixels: torch.Tensor) -> torch.Tensor:
        """(B, D) float32 unit vectors of normalised images."""
        import torch.nn.functional as F

        return F.normalize(self.visual(pixels).float(), dim=-1)

    def logits(self, features_ND: torch.Tensor) -> torch.Tensor:
        """(B, C)."""
        return self.scale * features_ND @ self.weight_CD.T + self.bias_C

    def state(self) -> dict[str, torch.Tensor]:
        """A copy of all weights, by name."""
        named = {f"visual.{name}": tensor for name, tensor in self.visual.state_dict().items()}
        return {name: tensor.detach().clone() for name, tensor in (named | self._head()).items()}

    def load(self, state: dict[str, torch.Tensor]) -> None:
        """Takes the weights of a `state`."""
        import torch

        prefix = "visual."
        self.visual.load_state_dict({name[len(prefix) :]: t for name, t in state.items() if name.startswith(prefix)})
        with torch.no_grad():
            for name, tensor in self._head().items():
                tensor.copy_(state[name])

    def _head(self) -> dict[str, torch.Tensor]:
        return {"weight": self.weight_CD, "bias": self.bias_C}

    def features_of(self, data: AdaptationData, rows: np.ndarray, device: str, precision: str = "fp32") -> torch.Tensor:
        """(len(rows), D) unit features of stored images, without gradients."""
        import torch

        parts = []
        with torch.no_grad(), autocast(device, precision):
            for start in range(0, len(rows), SCORED_AT_A_TIME):
                images = data.images[rows[start : start + SCORED_AT_A_TIME]]
                parts.append(self.features(data.pixels(images, device)))
        return torch.cat(parts)


def interpolated(
    before: dict[str, torch.Tensor], after: dict[str, torch.Tensor], alpha: float
) -> dict[str, torch.Tensor]:
    """(1 - alpha) · before + alpha · after of every weight (Wortsman et al. 2022); counters are those of `after`."""
    return {
        name: before[name].lerp(tensor, alpha) if tensor.is_floating_point() else tensor
        for name, tensor in after.items()
    }
