"""In which numbers and with how many threads a training computes, and the same each time."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from clip_pipeline.machine.cores import usable_cores
from clip_pipeline.machine.memory import freed_memory_kept


def choose_precision(precision: str, device: str) -> str:
    """fp32, bf16 or fp16; `auto` is bf16 where the processor computes with it, since imitating it is slower than fp32."""
    import torch

    if precision != "auto":
        return precision
    if device == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    built_in = device == "cpu" and torch.backends.mkldnn.is_available() and torch.cpu._is_avx512_bf16_supported()
    return "bf16" if built_in else "fp32"


def count_threads(wanted: int = 0, processes: int = 1) -> int:
    """Arithmetic threads of one of the processes on this machine: as many as are wanted, or for 0 its part of the usable cores."""
    return wanted or max(1, usable_cores() // processes)


@contextlib.contextmanager
def reproducible_arithmetic(seed: int, device: str, threads: int) -> Iterator[None]:
    """Seeds torch, fixes the threads, asks for deterministic kernels, keeps freed memory; puts everything back at the end.

    On a CPU the same threads then give the same bytes. On a GPU some kernels have no deterministic form; torch warns.
    """
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel

    deterministic: Any = torch.utils.deterministic  # its one attribute is unknown to mypy
    before = (
        torch.get_num_threads(),
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        torch.random.get_rng_state(),
        deterministic.fill_uninitialized_memory,
    )
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True, warn_only=device != "cpu")
    # otherwise torch writes NaN into all new memory before an operation writes its result there, a search aid for
    # operations that read what nobody wrote
    deterministic.fill_uninitialized_memory = False
    torch.manual_seed(seed)
    # on a CPU the fused attention's backward pass takes half of a small text encoder's time; plain products are 1.7 times
    # as fast at 24 tokens (torch 2.13, two cores, November 2026)
    attention = sdpa_kernel(SDPBackend.MATH) if device == "cpu" else contextlib.nullcontext()
    try:
        with attention, freed_memory_kept():
            yield
    finally:
        torch.set_num_threads(before[0])
        torch.use_deterministic_algorithms(before[1], warn_only=before[2])
        torch.random.set_rng_state(before[3])
        deterministic.fill_uninitialized_memory = before[4]


def autocast(device: str, precision: str) -> Any:
    """The context of the forward passes: bf16 or fp16 products with fp32 weights, or plain fp32."""
    import torch

    half = torch.float16 if precision == "fp16" else torch.bfloat16
    return torch.autocast(device, half, enabled=precision != "fp32")


def make_scaler(device: str, precision: str) -> Any:
    """The scaler that keeps small fp16 gradients from becoming nought; None for the other precisions."""
    import torch

    return torch.amp.GradScaler(device) if precision == "fp16" else None
