"""The MLP probe: D – 120 – sigmoid – 84 – sigmoid – classes, trained with Adam on frozen embeddings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from clip_pipeline.evaluation.probes.head import check_features
from clip_pipeline.evaluation.probes.regularization_path import one_thread
from clip_pipeline.machine.progress import progress
from clip_pipeline.settings import ProbeSettings

if TYPE_CHECKING:
    import torch

HIDDEN = (120, 84)


class MlpHead:
    """A trained MLP with the means and spreads of the dimensions that it was given."""

    def __init__(self, layers: torch.nn.Module, mean_D: np.ndarray, spread_D: np.ndarray):
        self._layers, self.mean_D, self.spread_D = layers, mean_D, spread_D

    def scores(self, features_ND: np.ndarray) -> np.ndarray:
        """(N, C) float32 raw logits. Raises ShapeError for vectors of another length, as of another model."""
        import torch

        check_features(features_ND, len(self.mean_D))
        given = torch.from_numpy(((features_ND - self.mean_D) / self.spread_D).astype(np.float32))
        with torch.inference_mode(), one_thread():
            return self._layers(given).numpy()

    def predict(self, features_ND: np.ndarray) -> np.ndarray:
        """(N,) indices of the classes with the largest logits."""
        return self.scores(features_ND).argmax(axis=1)


def train_mlp_probe(features_ND: np.ndarray, labels_N: np.ndarray, classes: int, settings: ProbeSettings) -> MlpHead:
    """Trains for `mlp_epochs` passes; each goes through every row once, in an order of its own, the last batch being smaller.

    labels_N: 0 … classes - 1. The raw logits go into the cross-entropy. The same seed gives the same weights. Raises
    ShapeError for embeddings that are not finite.
    """
    import torch

    check_features(features_ND)
    mean_D, spread_D = np.zeros(features_ND.shape[1], np.float32), np.ones(features_ND.shape[1], np.float32)
    if settings.mlp_standardise:
        mean_D = features_ND.mean(axis=0, dtype=np.float64).astype(np.float32)
        deviation_D = features_ND.std(axis=0, dtype=np.float64).astype(np.float32)
        spread_D = np.where(deviation_D > 0, deviation_D, spread_D)
    given = torch.from_numpy(((features_ND - mean_D) / spread_D).astype(np.float32))
    labels = torch.from_numpy(np.asarray(labels_N, np.int64))
    with one_thread(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        layers = _layers(given.shape[1], classes)
        optimizer = torch.optim.Adam(layers.parameters(), lr=settings.mlp_learning_rate)
        with progress("Training the MLP probe", settings.mlp_epochs, "epoch") as bar:
            for _ in range(settings.mlp_epochs):
                total = 0.0
                for rows in torch.randperm(len(given)).split(settings.mlp_batch_size):
                    loss = torch.nn.functional.cross_entropy(layers(given[rows]), labels[rows])
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
                    total += loss.item() * len(rows)
                bar.advance(1, f"loss {total / len(given):.3f}")
    return MlpHead(layers.eval(), mean_D, spread_D)


def _layers(dimensions: int, classes: int) -> torch.nn.Module:
    from torch import nn

    first, second = HIDDEN
    return nn.Sequential(
        nn.Linear(dimensions, first), nn.Sigmoid(), nn.Linear(first, second), nn.Sigmoid(), nn.Linear(second, classes)
    )
