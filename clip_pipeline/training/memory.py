"""How much memory a training will take, measured on four pairs before the first step, and how much there is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from clip_pipeline.machine.memory import free_memory
from clip_pipeline.training.model.freezing import training_mode
from clip_pipeline.training.objective.grad_cache import GradCacheStep, RandomState, quiet_statistics

if TYPE_CHECKING:
    import torch

PAIRS_MEASURED = 4
BACKWARD_OVERHEAD = 1.6
"""Gradients of activations and what the allocator leaves unused, beside the activations: the estimate is then 0.8 to 1.1
times the peak of two steps, of ViTs of 0.1 and 60 million parameters in fp32 and bf16 (torch 2.13 on a CPU, 2026-11-21)."""
BATCH_COPIES = 3
"""A batch of images, counted as floats: normalised, one copy on the way, and the batches of bytes that are read ahead."""


@dataclass(frozen=True)
class MemoryEstimate:
    """Bytes that the training will take beside what the process has already.

    images_file: decoded images in a file; the system keeps as much of it in memory as is free.
    """

    gradients: int
    optimizer: int
    activations: int
    similarities: int
    batch: int
    images_file: int

    @property
    def total(self) -> int:
        """Without the file, whose pages are given back when they are needed."""
        return self.gradients + self.optimizer + self.activations + self.similarities + self.batch


def estimate_memory(
    train_step: GradCacheStep,
    images: torch.Tensor,
    tokens_NKL: torch.Tensor,
    batch_size: int,
    mixed: bool = False,
    file_bytes: int = 0,
) -> MemoryEstimate:
    """The memory of a training by batches of `batch_size` pairs, of whose size images and tokens_NKL are a few, on the device.

    mixed: whether images are mixed. file_bytes: see `MemoryEstimate.images_file`. The model is left as it was.
    """
    trained = sum(p.numel() for p in train_step.model.parameters() if p.requires_grad)
    pairs = batch_size // train_step.processes.count
    at_a_time = min(pairs, train_step.chunk_size or pairs)
    width = images[0].numel() * 4
    fixed, each = activation_bytes(train_step, images, tokens_NKL)
    matrices = similarity_matrices(train_step.objective.loss, tokens_NKL.shape[1], mixed)
    return MemoryEstimate(
        gradients=4 * trained,
        optimizer=8 * trained,
        activations=int(fixed + each * at_a_time * BACKWARD_OVERHEAD),
        similarities=4 * batch_size**2 * matrices,
        batch=pairs * width * BATCH_COPIES,
        images_file=file_bytes,
    )


def similarity_matrices(loss: str, captions_per_photo: int = 1, mixed: bool = False) -> int:
    """Matrices of batch x batch that the loss has in memory at its peak, whatever the chunks and processes.

    Two at work, and for each column of captions, twice as many with mixup, two of the softmax or three of the sigmoid; by
    the peak of 5,000 pairs with one and three captions (torch 2.13, 2026-11-21: 4.1 and 8.1, 5.1 and 11.1).
    """
    columns = captions_per_photo * (2 if mixed else 1)
    return 2 + (2 if loss == "softmax" else 3) * columns


def activation_bytes(train_step: GradCacheStep, images: torch.Tensor, tokens: torch.Tensor) -> tuple[float, float]:
    """(bytes for any batch, bytes a pair) that a forward pass keeps for the backward pass.

    The first is for copies of the weights in half precision. Nothing of the model or the generators changes.
    images, tokens: at least two pairs.
    """
    state = RandomState(train_step.device)
    training_mode(train_step.model, train_step.frozen, train_step.keeps_statistics)
    half = len(images) // 2
    try:
        with quiet_statistics(train_step.model):
            whole, part = (_kept_with_recomputed(train_step, images[:n], tokens[:n]) for n in (len(images), half))
    finally:
        state.restore()
    each = (whole - part) / (len(images) - half)
    return max(0.0, whole - each * len(images)), each


def _kept_with_recomputed(train_step: GradCacheStep, images: torch.Tensor, tokens: torch.Tensor) -> int:
    kept = _kept_bytes(train_step, images, tokens)
    if train_step.gradient_checkpointing:  # one block at a time is computed again and kept, with its gradients
        train_step.model.set_grad_checkpointing(False)
        kept += 2 * _kept_bytes(train_step, images, tokens) // _blocks(train_step.model)
        train_step.model.set_grad_checkpointing(True)
    return kept


def _kept_bytes(train_step: GradCacheStep, images: torch.Tensor, tokens: torch.Tensor) -> int:
    import torch

    weights = {t.untyped_storage().data_ptr() for t in [*train_step.model.parameters(), *train_step.model.buffers()]}
    kept: dict[int, int] = {}
    alive: list[Any] = []  # a freed tensor's address could come back with another

    def note(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
            alive.append(storage)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        features = train_step.features(images, tokens)
    del features
    return sum(kept.values())


def _blocks(model: Any) -> int:
    """Blocks of the deeper transformer, at least one."""
    encoders = (getattr(part, "transformer", None) for part in (model.visual, model, getattr(model, "text", None)))
    return max([1, *(len(getattr(encoder, "resblocks", ())) for encoder in encoders)])


def free_bytes(device: str) -> int | None:
    """Memory that this process may still take: of the GPU, or of the machine and its container; None where unknown."""
    if device == "cuda":
        import torch

        return torch.cuda.mem_get_info()[0]
    return free_memory()
