"""Whether a photo's vector depends on the photos beside it, or on chance: what an encoder that chooses among its tokens must not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import torch


class BatchIndependence(NamedTuple):
    """min_cosine: of a photo's vector alone and in the batch of all. largest_change: between two passes over the same batch."""

    min_cosine: float
    largest_change: float


def batch_independence(model: Any, pixels_N3SS: torch.Tensor) -> BatchIndependence:
    """Encodes the photos together, together again, and each alone, as evaluation does. The model's mode is left as it was."""
    import torch
    import torch.nn.functional as F

    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            together, again = (model.encode_image(pixels_N3SS).double() for _ in range(2))
            alone = torch.cat([model.encode_image(photo[None]) for photo in pixels_N3SS]).double()
    finally:
        model.train(was_training)
    cosines = F.cosine_similarity(together, alone, dim=1)
    return BatchIndependence(float(cosines.min()), float((together - again).abs().max()))
