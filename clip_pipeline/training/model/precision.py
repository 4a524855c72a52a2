"""Precision and threads of the training, and the two encoders' forward passes."""

from __future__ import annotations

import contextlib
import ctypes
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from clip_pipeline.machine.cores import usable_cores
from clip_pipeline.models.registry import ClipModel
from clip_pipeline.settings import ComputeSettings

if TYPE_CHECKING:
    import torch


def choose_precision(precision: str, device: str) -> str:
    """fp32, bf16 or fp16; `auto` is bf16 where the processor computes with it, since imitating it is slower than fp32."""
    import torch

    if precision != "auto":
        return precision
    if device == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    built_in = device == "cpu" and torch.backends.mkldnn.is_available() and torch.cpu._is_avx512_bf16_supported()
    return "bf16" if built_in else "fp32"


def count_threads(compute: ComputeSettings) -> int:
    """Arithmetic threads: the setting, or one a core that this process may use."""
    if compute.threads:
        return compute.threads
    return usable_cores()


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


_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""Names of mallopt's parameters, malloc.h."""
_MAX_MMAP_THRESHOLD, _GLIBC_START = 32 << 20, 128 << 10
_MAX_KEPT = 1 << 30


@contextlib.contextmanager
def freed_memory_kept() -> Iterator[None]:
    """glibc keeps freed memory for the next tensor instead of giving it back to the system; elsewhere nothing happens.

    A step frees and asks for the same hundreds of MB again, and the system clears every page that it hands out: 9,000 page
    faults a step of laptop_small, 5 to 7 % of its time, and none with this (2026-11-21). At the end the memory is given back.
    """
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    if libc is None or not hasattr(libc, "mallopt") or not hasattr(libc, "malloc_trim"):
        yield
        return
    libc.mallopt(_MMAP_THRESHOLD, _MAX_MMAP_THRESHOLD)
    libc.mallopt(_TRIM_THRESHOLD, _MAX_KEPT)
    try:
        yield
    finally:
        libc.mallopt(_MMAP_THRESHOLD, _GLIBC_START)
        libc.mallopt(_TRIM_THRESHOLD, _GLIBC_START)
        libc.malloc_trim(0)


def autocast(device: str, precision: str) -> Any:
    """The context of the forward passes: bf16 or fp16 products with fp32 weights, or plain fp32."""
    import torch

    half = torch.float16 if precision == "fp16" else torch.bfloat16
    return torch.autocast(device, half, enabled=precision != "fp32")


def make_scaler(device: str, precision: str) -> Any:
    """The scaler that keeps small fp16 gradients from becoming nought; None for the other precisions."""
    import torch

    return torch.amp.GradScaler(device) if precision == "fp16" else None


def encode_images(model: ClipModel, images_BCHW: torch.Tensor) -> torch.Tensor:
    """(B, D) float32 unit-length embeddings of normalised images."""
    import torch.nn.functional as F

    return F.normalize(model.encode_image(images_BCHW).float(), dim=-1)


def encode_captions(model: ClipModel, tokens_BL: torch.Tensor, pad_id: int) -> torch.Tensor:
    """(B, D) float32 unit-length embeddings of token ids, as `model.encode_text` gives them.

    The columns that hold nothing but padding are left out: no token looks to its right, so they change no feature, and
    the text encoder's time is proportional to the columns. Of the last block only the end token's row is computed, the only
    one that is looked at (`block_at`).
    """
    import torch
    import torch.nn.functional as F
    from open_clip.model import CLIP
    from open_clip.transformer import text_global_pool

    from clip_pipeline.models.eot_only_block import block_at, ends_of_captions, is_plain

    if type(model) is not CLIP or model.attn_mask is None:
        return F.normalize(model.encode_text(tokens_BL).float(), dim=-1)
    used = int((tokens_BL != pad_id).any(dim=0).nonzero().max()) + 1  # CLIP pads with an id that is also a letter
    tokens_BL = tokens_BL[:, :used]
    x = model.token_embedding(tokens_BL) + model.positional_embedding[:used]
    mask = model.attn_mask[:used, :used]
    ends = ends_of_captions(model, tokens_BL)
    if ends is not None and is_plain(model.transformer):
        *others, last = model.transformer.resblocks
        for block in others:
            x = block(x, attn_mask=mask)
        x = model.ln_final(block_at(last, x, ends))
    else:
        x = model.transformer(x, attn_mask=mask)
        x = text_global_pool(model.ln_final(x), tokens_BL, model.text_pool_type, eos_token_id=model.text_eos_id)
    projection = model.text_projection
    if projection is not None:
        x = projection(x) if isinstance(projection, torch.nn.Linear) else x @ projection
    return F.normalize(x.float(), dim=-1)
