"""Multinomial logistic regression: the loss of a linear classifier, its gradient and its curvature."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from clip_pipeline.evaluation.probes.head import LinearHead, check_features

if TYPE_CHECKING:
    import torch

CURVATURE_ROWS = 2048
"""Most rows that the curvature is estimated from: it steers the search and moves no minimum."""


class LogisticProblem:
    """Mean cross-entropy over N labelled vectors, as a function of (C, R + 1) coefficients: weights, and the bias last.

    The vectors are centred and turned to their principal components, R = min(N, D) of them. Neither moves the minimum,
    for the bias is free and turning keeps the length of the weights; and where there are fewer vectors than dimensions the
    problem becomes small. In these coordinates the curvature is nearly diagonal: embeddings of CLIP lie in a narrow cone, and
    without centring the largest curvature is hundreds of times the next.

    Products are of float32 (float64 where `double`), sums over photos of float64. Loss and gradient keep their relative
    precision where a photo is classified with near certainty: 1 - p is summed from the other classes.
    """

    def __init__(self, features_ND: np.ndarray, labels_N: np.ndarray, classes: int, double: bool = False):
        import torch

        check_features(features_ND)
        self.type = torch.float64 if double else torch.float32
        self.classes, self.count = classes, len(features_ND)
        self.labels = torch.as_tensor(np.asarray(labels_N, np.int64))
        self._rows = torch.arange(self.count)
        features = torch.from_numpy(np.array(features_ND, np.float64 if double else np.float32))  # a copy
        self.mean = features.mean(dim=0, dtype=torch.float64)
        features -= self.mean.to(self.type)
        self.basis = _principal_axes(features)
        self.parts = features @ self.basis.to(self.type)
        self._some = slice(None, None, -(-self.count // CURVATURE_ROWS))
        self._squares = self.parts[self._some] ** 2

    @property
    def shape(self) -> tuple[int, int]:
        """Of the coefficients: (classes, R + 1)."""
        return self.classes, self.parts.shape[1] + 1

    def logits(self, coefficients: torch.Tensor) -> torch.Tensor:
        """(C, N): one row a class, the layout in which both products run fastest."""
        exact = coefficients.to(self.type)
        return (exact[:, :-1] @ self.parts.T).add_(exact[:, -1:])

    def loss(self, logits_CN: torch.Tensor) -> tuple[float, torch.Tensor, torch.Tensor]:
        """(mean cross-entropy in nats, probabilities (C, N), 1 - probability of the right class (N,))."""
        import torch

        of_label = logits_CN[self.labels, self._rows]
        best, winner = logits_CN.max(dim=0)
        shares = (logits_CN - best).exp_()
        shares[winner, self._rows] = 0
        others = shares.sum(dim=0)
        total = (best - of_label).sum(dtype=torch.float64) + torch.log1p(others).sum(dtype=torch.float64)
        shares[winner, self._rows] = 1
        shares /= 1 + others
        missing = torch.where(winner == self.labels, others / (1 + others), 1 - shares[self.labels, self._rows])
        return total.item() / self.count, shares, missing

    def gradient(self, probabilities_CN: torch.Tensor, missing_N: torch.Tensor) -> torch.Tensor:
        """(C, R + 1) float64 gradient of the mean loss. Overwrites `probabilities_CN` with the residuals."""
        import torch

        residual = probabilities_CN
        residual[self.labels, self._rows] = -missing_N
        of_bias = residual.sum(dim=1, dtype=torch.float64)
        return torch.cat([(residual @ self.parts).double(), of_bias[:, None]], dim=1) / self.count

    def curvature(self, probabilities_CN: torch.Tensor) -> torch.Tensor:
        """(C, R + 1) float64 diagonal of the Hessian of the mean loss, estimated from every few rows."""
        import torch

        some = probabilities_CN[:, self._some]
        spread = some * (1 - some)
        of_bias = spread.sum(dim=1, dtype=torch.float64)
        return torch.cat([(spread @ self._squares).double(), of_bias[:, None]], dim=1) / some.shape[1]

    def start(self) -> torch.Tensor:
        """No weights, and the bias that gives each class its share of the photos."""
        import torch

        coefficients = torch.zeros(self.shape, dtype=torch.float64)
        counts = torch.bincount(self.labels, minlength=self.classes).double().clamp_min(0.5)
        coefficients[:, -1] = counts.log() - counts.log().mean()
        return coefficients

    def head(self, coefficients: torch.Tensor, inverse_regularization: float) -> LinearHead:
        """The coefficients as a classifier of vectors as they were given."""
        weights = coefficients[:, :-1] @ self.basis.T
        return LinearHead(weights.numpy(), (coefficients[:, -1] - weights @ self.mean).numpy(), inverse_regularization)

    def coefficients(self, head: LinearHead) -> torch.Tensor:
        """The other way round; a part of the weights that no vector can see is dropped."""
        import torch

        weights = torch.from_numpy(head.weights_CD)
        bias = torch.from_numpy(head.bias_C) + weights @ self.mean
        return torch.cat([weights @ self.basis, bias[:, None]], dim=1)


def _principal_axes(centred: torch.Tensor) -> torch.Tensor:
    """(D, R) float64, orthonormal columns; R is the smaller of N and D."""
    import torch

    if centred.shape[0] < centred.shape[1]:
        return torch.linalg.svd(centred.double(), full_matrices=False).Vh.T.contiguous()
    return torch.linalg.eigh((centred.T @ centred).double()).eigenvectors
