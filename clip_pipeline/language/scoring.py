"""What a language model is asked at evaluation: how likely each character of a text is, what may follow, where its boundaries are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from clip_pipeline.language.bits import LogProbabilities
from clip_pipeline.language.coder import NextProbabilities
from clip_pipeline.pooling.leaks import Leak, find_leaks

if TYPE_CHECKING:
    import torch


@contextmanager
def at_evaluation(model: torch.nn.Module) -> Iterator[torch.device]:
    """Without dropout and samples, without a graph, in fp32; the model is as it was afterwards. Gives the model's device."""
    import torch

    was_training = model.training
    model.eval()
    try:
        device = next(model.parameters()).device
        with torch.no_grad(), torch.autocast(device.type, enabled=False):
            yield device
    finally:
        model.train(was_training)


def log_probabilities_of(model: torch.nn.Module) -> LogProbabilities:
    """For `bits_of_characters`: (B, L) ids → (B, L − 1) float64 natural logarithms."""

    def log_probabilities(ids_BL: np.ndarray) -> np.ndarray:
        import torch

        with at_evaluation(model) as device:
            tokens_BL = torch.from_numpy(ids_BL.astype(np.int64)).to(device)
            log_BLV = model(tokens_BL[:, :-1]).logits_BLV.float().log_softmax(-1)
            return log_BLV.gather(2, tokens_BL[:, 1:, None]).squeeze(2).double().cpu().numpy()

    return log_probabilities


def next_probabilities_of(model: torch.nn.Module, vocabulary: int) -> NextProbabilities:
    """For the arithmetic coder: what follows, from the beginning alone; the first character may be any."""

    def next_probabilities(before_BL: np.ndarray) -> np.ndarray:
        import torch

        if not before_BL.shape[1]:
            return np.full((len(before_BL), vocabulary), 1 / vocabulary)
        with at_evaluation(model) as device:
            tokens_BL = torch.from_numpy(before_BL.astype(np.int64)).to(device)
            return model(tokens_BL).logits_BLV[:, -1].double().softmax(-1).cpu().numpy()

    return next_probabilities


@dataclass(frozen=True)
class FoundRate:
    """The boundaries that a model draws in a text. characters, boundaries: counted. padded: rows of the middle layers, padding and null vectors among them."""

    characters: int
    boundaries: int
    padded: int

    @property
    def shortening(self) -> float:
        """Characters a boundary; infinite without any."""
        return self.characters / self.boundaries if self.boundaries else float("inf")


def found_rate(model: torch.nn.Module, ids: np.ndarray, window: int, batch: int = 16) -> FoundRate | None:
    """Of a text in whole windows that follow each other; None for a model without pooling."""
    import torch

    window = min(window, len(ids))
    texts_NL = ids[: len(ids) // window * window].reshape(-1, window).astype(np.int64)
    boundaries = padded = 0
    for start in range(0, len(texts_NL), batch):
        some_BL = texts_NL[start : start + batch]
        with at_evaluation(model) as device:
            prediction = model(torch.from_numpy(some_BL).to(device))
        if prediction.segments_B is None:
            return None
        boundaries, padded = boundaries + int(prediction.segments_B.sum()), padded + prediction.shortened * len(some_BL)
    return FoundRate(texts_NL.size, boundaries, padded)


def segment_starts(model: torch.nn.Module, ids: np.ndarray) -> np.ndarray:
    """(n,) bool: where in one short text a segment of the model's begins, the first one left out; none for a model without pooling."""
    import torch

    with at_evaluation(model) as device:
        boundaries = model(torch.from_numpy(ids[None].astype(np.int64)).to(device)).boundaries
    starts = np.zeros(len(ids), bool)
    if boundaries is not None:
        hard = boundaries.hard_BL[0].cpu().numpy()
        starts[1:] = hard[1:] if boundaries.opens else hard[:-1]
    return starts


def model_leaks(model: torch.nn.Module, ids: np.ndarray, vocabulary: int, rows: int = 64) -> tuple[Leak, Leak]:
    """`find_leaks` of a model at evaluation, in a text."""
    import torch

    with at_evaluation(model) as device:
        tokens_L = torch.from_numpy(ids.astype(np.int64)).to(device)
        return find_leaks(lambda tokens_BL: model(tokens_BL).logits_BLV, tokens_L, vocabulary, rows=rows)
