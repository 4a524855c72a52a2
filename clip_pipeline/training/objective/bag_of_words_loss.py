"""A second loss that starts the image encoder: guessing the caption's words from the image alone.

The contrastive loss learns first what tells a batch's images apart most easily, colours and backgrounds; what is left of
it then hardly asks for the shapes of things, and in a short training they come late or never. Guessing words asks for
every fact from the first step on (as in Huang et al. 2024, "Classification Done Right for Vision-Language
Pre-Training", here with one yes or no a token). The head serves the training alone and is not published.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from clip_pipeline.training.data.batches import CaptionTable

if TYPE_CHECKING:
    import torch

RAREST_SHARE = 0.001
"""A token of fewer captions cannot be learnt from them and only adds noise."""


def token_weights(table: CaptionTable, vocab_size: int, special_ids: tuple[int, ...]) -> np.ndarray:
    """(V,) float32: 1 for tokens that at least one caption in a thousand holds and one lacks, 0 for all others."""
    ordered = np.sort(table.tokens, axis=1)
    is_first = np.ones(ordered.shape, dtype=bool)
    is_first[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    held_by = np.bincount(ordered[is_first], minlength=vocab_size)
    share = held_by / len(table.tokens)
    weights = ((share >= RAREST_SHARE) & (share <= 1 - RAREST_SHARE)).astype(np.float32)
    weights[list(special_ids)] = 0.0
    return weights


def make_word_head(width: int, weights: np.ndarray) -> torch.nn.Module:
    """A linear layer from image features (B, width) to token scores (B, V); holds the token weights as a buffer."""
    import torch

    head = torch.nn.Linear(width, len(weights))
    head.register_buffer("token_weights", torch.from_numpy(weights))
    return head


def bag_of_words_loss(head: Any, features_BD: torch.Tensor, tokens_BKL: torch.Tensor) -> torch.Tensor:
    """Sum over the tokens of the binary cross entropy, in nats, averaged over the images.

    head: as `make_word_head` makes it. features_BD: image features before they are normalised. tokens_BKL: ids of K
    captions of each image; one that occurs twice in a caption counts once, and the answer is the share of the captions
    that hold the token.
    """
    import torch
    import torch.nn.functional as F

    scores_BV = head(features_BD)
    said_BV = torch.zeros_like(scores_BV)
    for tokens_BL in tokens_BKL.unbind(1):
        said_BV += torch.zeros_like(scores_BV).scatter_(1, tokens_BL, 1.0 / tokens_BKL.shape[1])
    losses_BV = F.binary_cross_entropy_with_logits(scores_BV, said_BV, reduction="none")
    return (losses_BV * head.token_weights).sum(dim=1).mean()
