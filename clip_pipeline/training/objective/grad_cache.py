"""The gradient of one batch: at once, or in chunks that need the memory of one chunk.

In chunks (Gao et al. 2021, "Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup"): every chunk goes
through the encoders without a graph, the loss and its gradient with respect to all embeddings are taken, then every chunk
goes through once more and takes its embeddings' gradient down into the weights. The random numbers of the first passage
are drawn again in the second, so dropout leaves out the same things. Adding up the gradients of small batches instead, as
is often done, saves the memory too, but its loss compares only the pairs of a small batch.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from clip_pipeline.models.registry import ClipModel
from clip_pipeline.training.data.mixup import next_ones
from clip_pipeline.training.distributed import ONE_PROCESS, Processes
from clip_pipeline.training.model.batch_norms import batch_norms_of
from clip_pipeline.training.model.encode import encode_captions
from clip_pipeline.training.model.freezing import FrozenEncoder
from clip_pipeline.training.model.precision import autocast
from clip_pipeline.training.objective.bag_of_words_loss import bag_of_words_loss
from clip_pipeline.training.objective.loss import Objective, contrastive_loss

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class GradCacheStep:
    """What takes part in a step. word_head: None without the bag-of-words loss. chunk_size: pairs at a time, 0 for the batch at
    once. gradient_checkpointing: whether the model computes activations a second time. frozen: the encoder that does not
    learn. scaler: of fp16 gradients, or None. keeps_statistics: whether batch norms keep their means and variances."""

    model: ClipModel
    word_head: Any
    objective: Objective
    device: str
    precision: str = "fp32"
    chunk_size: int = 0
    gradient_checkpointing: bool = False
    frozen: FrozenEncoder | None = None
    scaler: Any = None
    processes: Processes = ONE_PROCESS
    keeps_statistics: bool = False

    def trained(self) -> torch.nn.ModuleList:
        """The model, and the head of the bag-of-words loss where there is one."""
        import torch

        return torch.nn.ModuleList([self.model] if self.word_head is None else [self.model, self.word_head])

    def features(self, images: torch.Tensor, tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Image features before they are normalised, (N, D) float32, and unit-length caption embeddings, (N, K, D).

        tokens: (N, K, L), K captions of each of N photos.
        """
        with autocast(self.device, self.precision):
            features_ND = self.model.encode_image(images).float()
            captions_MD = encode_captions(self.model, tokens.flatten(0, 1))
        return features_ND, captions_MD.unflatten(0, tokens.shape[:2])

    def losses(
        self, features_ND: torch.Tensor, captions_NKD: torch.Tensor, tokens_NKL: torch.Tensor, mixup_weight: float = 1.0
    ) -> tuple[torch.Tensor, float]:
        """(what is minimised, the contrastive part in nats) of a whole batch's features, the mean over its K captions.

        mixup_weight: of its own in each image, see `mixup`; the rest of the loss is that with the next ones' captions.
        """
        own, contrastive = self._losses_of_own(features_ND, captions_NKD, tokens_NKL)
        if mixup_weight == 1.0:
            return own, contrastive.item()
        captions_NKD, tokens_NKL = (next_ones(rows) for rows in (captions_NKD, tokens_NKL))
        other, contrastive_other = self._losses_of_own(features_ND, captions_NKD, tokens_NKL)
        return own.lerp(other, 1 - mixup_weight), contrastive.lerp(contrastive_other, 1 - mixup_weight).item()

    def _losses_of_own(
        self, features_ND: torch.Tensor, captions_NKD: torch.Tensor, tokens_NKL: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        import torch
        import torch.nn.functional as F

        images_ND = F.normalize(features_ND, dim=-1)
        loss, smoothing = self.objective.loss, self.objective.label_smoothing
        columns = captions_NKD.unbind(1)
        losses = [contrastive_loss(self.model, images_ND, column, loss, smoothing) for column in columns]
        contrastive = torch.stack(losses).mean() if len(losses) > 1 else losses[0]
        if self.word_head is None:
            return contrastive, contrastive
        words = bag_of_words_loss(self.word_head, features_ND, tokens_NKL)
        return contrastive + self.objective.bag_of_words * words, contrastive

    def backward(
        self,
        images: torch.Tensor,
        tokens: torch.Tensor,
        mixup_weight: float = 1.0,
        shown: torch.Tensor | None = None,
    ) -> float:
        """Puts the batch's gradient into the weights; returns its contrastive loss in nats.

        images, tokens: this process's share of the batch; tokens (N, K, L), see `features`. mixup_weight: see `losses`.
        shown: what the text encoder sees of the tokens, where words are left out; the bag-of-words loss asks for all of them.
        """
        shown = tokens if shown is None else shown
        chunked = 0 < self.chunk_size < len(images)
        if chunked or self.processes.count > 1:
            size = self.chunk_size if chunked else len(images)
            return self._backward_from_features(images, tokens, mixup_weight, shown, size)
        loss, contrastive = self.losses(*self.features(images, shown), tokens, mixup_weight)
        with self._statistics_at_rest():
            self._scaled(loss).backward()
        return contrastive

    def _backward_from_features(
        self, images: torch.Tensor, tokens: torch.Tensor, mixup_weight: float, shown: torch.Tensor, size: int
    ) -> float:
        import torch

        chunks = [slice(start, start + size) for start in range(0, len(images), size)]
        keeps_graph = len(chunks) == 1
        passages: list[RandomState] = []
        pairs: list[tuple[torch.Tensor, torch.Tensor]] = []
        with torch.set_grad_enabled(keeps_graph), quiet_statistics(self.model, not keeps_graph):
            for rows in chunks:
                passages.append(RandomState(self.device))
                pairs.append(self.features(images[rows], shown[rows]))
        mine = [torch.cat(parts).detach() for parts in zip(*pairs, strict=True)]
        features, captions = (self.processes.gathered(part).requires_grad_() for part in mine)
        loss, contrastive = self.losses(features, captions, self.processes.gathered(tokens), mixup_weight)
        self._scaled(loss).backward()
        assert features.grad is not None and captions.grad is not None
        downward = [self.processes.own_rows(gradient) for gradient in (features.grad, captions.grad)]
        for rows, random_state, pair in zip(chunks, passages, pairs, strict=True):
            if not keeps_graph:
                random_state.restore()
                pair = self.features(images[rows], shown[rows])
            # a frozen encoder's features have no graph
            learnt = [(part, whole[rows]) for part, whole in zip(pair, downward, strict=True) if part.requires_grad]
            with self._statistics_at_rest():
                torch.autograd.backward([part for part, _ in learnt], [gradient for _, gradient in learnt])
        self.processes.add_up_encoder_gradients(self.model)
        return contrastive

    def _statistics_at_rest(self) -> contextlib.AbstractContextManager[None]:
        """Around a backward pass: with gradient checkpointing it computes what is inside the encoders a second time."""
        return quiet_statistics(self.model, self.gradient_checkpointing)

    def _scaled(self, loss: torch.Tensor) -> torch.Tensor:
        return loss if self.scaler is None else self.scaler.scale(loss)


class RandomState:
    """The state of torch's generators when it is made, to be drawn from again."""

    def __init__(self, device: str):
        import torch

        self.cpu = torch.random.get_rng_state()
        self.cuda = torch.cuda.get_rng_state() if device == "cuda" else None

    def restore(self) -> None:
        """Puts the generators back."""
        import torch

        torch.random.set_rng_state(self.cpu)
        if self.cuda is not None:
            torch.cuda.set_rng_state(self.cuda)


@contextlib.contextmanager
def quiet_statistics(model: torch.nn.Module, quiet: bool = True) -> Iterator[None]:
    """The running statistics of batch norms inside are afterwards as they were: they take each image in only once."""
    running = [buffer for norm in batch_norms_of(model) for buffer in norm.buffers()] if quiet else []
    before = [buffer.clone() for buffer in running]
    try:
        yield
    finally:
        for buffer, value in zip(running, before, strict=True):
            buffer.copy_(value)
