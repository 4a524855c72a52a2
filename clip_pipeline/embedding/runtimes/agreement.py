"""Whether a runtime's vectors may stand for those of fp32."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from clip_pipeline.embedding.ready_pixels import ReadyPixels
from clip_pipeline.embedding.runtimes.runtime import Runtime
from clip_pipeline.errors import ShapeError

MIN_COSINE = 0.999
"""At the 1st percentile of the photos, between a runtime's vector and the one of fp32."""

MAX_POINTS = 0.3
"""Between the top-1 of both on a benchmark, in percentage points, either way."""

ROWS = 64


@dataclass(frozen=True)
class Benchmark:
    """Labelled photos that both are scored on. labels_N: indices into classes_CD, (C, D) unit vectors of the classes."""

    name: str
    photos: ReadyPixels
    labels_N: Sequence[int]
    classes_CD: np.ndarray

    def __post_init__(self) -> None:
        if len(self.photos) != len(self.labels_N):
            raise ShapeError(
                f"{self.name}: {len(self.photos)} photos and {len(self.labels_N)} labels, expected as many."
            )


def encode_all(runtime: Runtime, photos: ReadyPixels) -> np.ndarray:
    """(N, D) vectors of all photos."""
    return np.concatenate([runtime.encode_images(photos.rows(at, at + ROWS)) for at in range(0, len(photos), ROWS)])


def lowest_cosine(vectors_ND: np.ndarray, reference_ND: np.ndarray) -> float:
    """The 1st percentile of the cosines, row by row; -1 where a vector is zero or not finite, or shapes differ."""
    if vectors_ND.shape != reference_ND.shape:
        return -1.0
    one_ND, two_ND = vectors_ND.astype(np.float64), reference_ND.astype(np.float64)
    with np.errstate(all="ignore"):
        cosine_N = (one_ND * two_ND).sum(1) / (np.linalg.norm(one_ND, axis=1) * np.linalg.norm(two_ND, axis=1))
    if not np.isfinite(cosine_N).all():
        return -1.0
    return float(np.percentile(cosine_N, 1))


def top1(vectors_ND: np.ndarray, benchmark: Benchmark) -> float:
    """Share of photos whose nearest class is theirs; ties go to the class with the lower index."""
    similarity_NC = vectors_ND.astype(np.float64) @ benchmark.classes_CD.astype(np.float64).T  # lengths change no order
    return float((similarity_NC.argmax(axis=1) == np.asarray(benchmark.labels_N)).mean())


def within_points(one: float, two: float) -> bool:
    """Whether two shares differ by no more than MAX_POINTS."""
    return abs(one - two) * 100 <= MAX_POINTS + 1e-9
