"""A linear classifier on embeddings, and what can be wrong with embeddings before one is trained."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from clip_pipeline.errors import InputError, ShapeError


@dataclass(frozen=True)
class LinearHead:
    """weights_CD: (C classes, D). bias_C: (C,). Both float64. inverse_regularization: the C that they were fitted with."""

    weights_CD: np.ndarray
    bias_C: np.ndarray
    inverse_regularization: float

    def scores(self, features_ND: np.ndarray) -> np.ndarray:
        """(N, C) float64 logits. Raises ShapeError for vectors of another length, as of another model."""
        check_features(features_ND, self.weights_CD.shape[1])
        return np.asarray(features_ND, np.float64) @ self.weights_CD.T + self.bias_C

    def predict(self, features_ND: np.ndarray) -> np.ndarray:
        """(N,) indices of the classes with the largest logits; ties go to the lower index."""
        return self.scores(features_ND).argmax(axis=1)

    def save(self, path: Path) -> None:
        """Writes the head as .npz: weights (C, D), bias (C,), and as `strength` the C."""
        with path.open("wb") as stream:
            np.savez(
                stream, weights=self.weights_CD, bias=self.bias_C, strength=np.float64(self.inverse_regularization)
            )


def read_head(path: Path) -> LinearHead:
    """What `LinearHead.save` wrote. Raises InputError for another file."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            return LinearHead(stored["weights"], stored["bias"], float(stored["strength"]))
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise InputError(
            f"{path} cannot be read as a linear head: {error}. Expected the .npz that a probe wrote."
        ) from error


def check_features(features_ND: np.ndarray, dimensions: int | None = None) -> None:
    """Raises ShapeError for what is no matrix of finite numbers, or has rows of another length than `dimensions`."""
    shape = np.shape(features_ND)
    if len(shape) != 2:
        raise ShapeError(f"Embeddings of shape {shape} were given, expected one row a photo: (N, D).")
    if dimensions is not None and shape[1] != dimensions:
        raise ShapeError(
            f"The probe was trained on vectors of {dimensions} numbers and these have {shape[1]}. "
            "They are of another model: embed the photos with the model that the probe belongs to."
        )
    broken_N = ~np.isfinite(features_ND).all(axis=1)
    if broken_N.any():
        raise ShapeError(
            f"{int(broken_N.sum())} of {shape[0]:,} embeddings hold numbers that are not finite, the first is row "
            f"{int(broken_N.argmax())}. Embed the photos again; if it stays so, the model's weights are damaged."
        )
