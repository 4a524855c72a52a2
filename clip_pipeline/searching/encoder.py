"""The model of an index: texts and photos from elsewhere into its vectors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from clip_pipeline.errors import Materialise, MissingArtifactError, PhotosError

INDEX = "search_index"


class IndexEncoder:
    """The model that an index was made with, loaded when a text or a file is first asked for. Photos of the index need none.

    checkpoint: its folder. model: its name, for sentences. model_sha256: of the index; another training of the model in the same place is
    refused, for its vectors are of another space.
    """

    def __init__(self, checkpoint: Path, model: str, model_sha256: str, device: str):
        self._checkpoint, self._model, self._sha256, self._device = checkpoint, model, model_sha256, device
        self._opened: tuple[Any, Any, Any, str] | None = None

    def text(self, text: str) -> np.ndarray:
        """(D,) float32 of unit length."""
        from clip_pipeline.embedding.encode import embed_texts

        loaded, _, tokenizer, device = self._open()
        return embed_texts(loaded, tokenizer, [text], device=device)[0]

    def photo(self, path: Path) -> np.ndarray:
        """(D,) float32 of unit length. Raises PhotosError for a file that is no photo."""
        from clip_pipeline.evaluation.single_photo import SinglePhotos

        loaded, preprocess, tokenizer, device = self._open()
        try:
            content = path.read_bytes()
        except OSError as error:
            raise PhotosError(f"{path} cannot be read: {error.strerror}. Give the path of a photo.") from error
        photos = SinglePhotos(loaded, preprocess, tokenizer, device)
        return photos.embed(photos.prepare(content, str(path)))

    def _open(self) -> tuple[Any, Any, Any, str]:
        if self._opened is None:
            from clip_pipeline.machine.device import choose_device
            from clip_pipeline.models.folder import open_model
            from clip_pipeline.models.identity import hash_weights

            again = Materialise(INDEX, self._model)
            if not self._checkpoint.is_dir():
                raise MissingArtifactError(
                    f"The model {self._model}, which the search index was made with, is not there any more.", again
                )
            device = choose_device(self._device)
            loaded, preprocess, tokenizer = open_model(self._checkpoint, device)
            if self._sha256 and hash_weights(loaded) != self._sha256:
                raise MissingArtifactError(
                    f"The model {self._model} was trained again after its search index was made.", again
                )
            self._opened = loaded, preprocess, tokenizer, device
        return self._opened
