"""Labelled vectors for probes."""

from __future__ import annotations

import numpy as np


def clusters(
    classes: int, photos: int, noise: float, seed: int = 0, dimensions: int = 16
) -> tuple[np.ndarray, np.ndarray]:
    """(vectors (N, D), labels (N,)): `photos` around a centre of each class, the classes one after another."""
    generator = np.random.default_rng(seed)
    centres = generator.normal(size=(classes, dimensions))
    labels = np.repeat(np.arange(classes), photos)
    return centres[labels] + noise * generator.normal(size=(len(labels), dimensions)), labels


def cone(
    classes: int, photos: int, dimensions: int = 32, seed: int = 0, noise: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors as CLIP gives them: in a narrow cone around one direction, with dimensions of unequal spread."""
    generator = np.random.default_rng(seed)
    labels = np.repeat(np.arange(classes), photos)
    spread = np.exp(generator.normal(size=dimensions))
    centres = generator.normal(size=(classes, dimensions)) * spread
    vectors = centres[labels] + noise * generator.normal(size=(len(labels), dimensions)) * spread
    vectors += 10 * generator.normal(size=dimensions)
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), labels
