"""Batch norms that see the whole batch although several processes share it.

Each process normalises with the mean and variance of all shares, so two processes take the very steps of one. torch's own
`SyncBatchNorm` does that on CUDA alone; this one asks only for what `Processes` has, and is the same on every device.
"""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING, Any

from clip_pipeline.training.distributed import Processes

if TYPE_CHECKING:
    import torch


def has_batch_norms(model: torch.nn.Module) -> bool:
    """Whether a batch's images influence one another inside the model."""
    return bool(batch_norms_of(model))


def share_batch_norms(model: torch.nn.Module, processes: Processes) -> None:
    """Lets all batch norms of a model, while it trains, see the shares of all processes; their weights keep their names.

    All processes must then call the model together, with shares of one size.
    """
    for norm in batch_norms_of(model) if processes.count > 1 else []:
        norm.forward = partial(_normalised, norm, processes)  # type: ignore[method-assign]


def batch_norms_of(model: torch.nn.Module) -> list[Any]:
    """All batch norms inside a model, those of timm that hold an activation too."""
    import torch

    return [module for module in model.modules() if isinstance(module, torch.nn.modules.batchnorm._BatchNorm)]


def _normalised(norm: Any, processes: Processes, rows: torch.Tensor) -> torch.Tensor:
    """What `norm` gives for this process's share of a batch, (N, C) or (N, C, H, W)."""
    import torch

    if not norm.training:
        return type(norm).forward(norm, rows)
    axes = [axis for axis in range(rows.ndim) if axis != 1]
    with torch.no_grad():
        variance, mean = torch.var_mean(rows.float(), axes, correction=0)
        means, variances = processes.gathered(torch.stack([mean, variance])[None]).unbind(1)
        mean, variance = means.mean(0), variances.mean(0) + means.var(0, correction=0)
        if norm.track_running_stats:
            count = processes.count * rows.numel() // rows.shape[1]
            norm.num_batches_tracked += 1
            share = 1 / norm.num_batches_tracked.item() if norm.momentum is None else norm.momentum
            norm.running_mean.lerp_(mean, share)
            norm.running_var.lerp_(variance * (count / (count - 1)), share)
    normal = _whole_batch_norm().apply(rows, norm.weight, norm.bias, mean, variance, norm.eps, processes)
    # timm's BatchNormAct2d holds the dropout and the activation that follow the norm
    for follower in ("drop", "act"):
        if hasattr(norm, follower):
            normal = getattr(norm, follower)(normal)
    return normal


@cache
def _whole_batch_norm() -> Any:
    """A class, made here because torch is imported only where it is used."""
    import torch

    class WholeBatchNorm(torch.autograd.Function):
        """Normalises a share with given statistics; its gradient knows that they depend on every share."""

        @staticmethod
        def forward(ctx: Any, rows, weight, bias, mean, variance, eps, processes):
            ctx.save_for_backward(rows, weight, mean, (variance + eps).rsqrt())
            ctx.processes = processes
            return torch.nn.functional.batch_norm(rows, mean, variance, weight, bias, eps=eps)

        @staticmethod
        def backward(ctx: Any, gradient):
            rows, weight, mean, inverse = ctx.saved_tensors
            shape = [1, -1] + [1] * (rows.ndim - 2)
            axes = [axis for axis in range(rows.ndim) if axis != 1]
            gradient = gradient.float()
            normal = (rows.float() - mean.view(shape)) * inverse.view(shape)
            sums = torch.stack([gradient.sum(axes), (gradient * normal).sum(axes)])
            count = ctx.processes.count * rows.numel() // rows.shape[1]
            over_all = ctx.processes.gathered(sums[None]).sum(0) / count
            inner = gradient - over_all[0].view(shape) - normal * over_all[1].view(shape)
            downward = (inner * (weight * inverse).view(shape)).to(rows.dtype)
            # these are of the own share: the processes add up the gradients of all weights
            return downward, sums[1], sums[0], None, None, None, None

    return WholeBatchNorm
