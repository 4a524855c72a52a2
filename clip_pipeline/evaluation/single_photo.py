"""A model that answers one photo, or one text, at a time: what an application does, in place of batches."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from clip_pipeline.embedding.encode import unit_rows
from clip_pipeline.embedding.runtimes.runtime import REFERENCE
from clip_pipeline.embedding.runtimes.torch_family import TorchRuntime
from clip_pipeline.errors import ImageError, PhotosError
from clip_pipeline.pixels.preprocess import preprocessing_of

if TYPE_CHECKING:
    import torch


class SinglePhotos:
    """model, preprocess, tokenizer: of `open_model`. device: of `choose_device`."""

    def __init__(
        self,
        model: Any,
        preprocess: Callable[[Any], torch.Tensor],
        tokenizer: Callable[..., torch.Tensor],
        device: str,
    ):
        self._model, self._tokenizer, self._device = model, tokenizer, device
        self._preprocessing = preprocessing_of(preprocess)
        self._runtime = TorchRuntime(REFERENCE, model, device)

    def prepare(self, content: bytes, name: str = "the photo") -> torch.Tensor:
        """(1, 3, S, S) pixels of a photo's file bytes. Raises PhotosError for what cannot be decoded."""
        try:
            return self._preprocessing.tensor([self._preprocessing.image(content)])
        except ImageError as error:
            raise PhotosError(f"{name} cannot be decoded as a photo: {error}. Give JPEG, PNG or WebP files.") from error

    def embed(self, pixels_13SS: torch.Tensor) -> np.ndarray:
        """(D,) float32 of unit length. Raises ModelError for a vector that is not finite."""
        return unit_rows(self._runtime.encode_images(pixels_13SS), "photos")[0]

    def tokens(self, text: str) -> torch.Tensor:
        """(1, L) ids of a text, on the device."""
        return self._tokenizer([text]).to(self._device)

    def embed_tokens(self, tokens_1L: torch.Tensor) -> np.ndarray:
        """(D,) float32 of unit length. Raises ModelError for a vector that is not finite."""
        import torch

        with torch.inference_mode():
            return unit_rows(self._model.encode_text(tokens_1L).float().cpu().numpy(), "texts")[0]
