"""Which model it is, by the sha256 of its weights or of its files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from clip_pipeline.storage.disk import hash_file

if TYPE_CHECKING:
    import torch

OF_MODELS = (".json", ".safetensors", ".bin", ".pt", ".pth", ".txt", ".model")
"""Endings of weights, settings and tokenizers."""


def hash_weights(model: torch.nn.Module) -> str:
    """sha256 of a model's weights: names, kinds, shapes and values, whatever file they came from and whatever device they
    are on. A ViT-B/32 takes 0.5 s."""
    import torch

    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        flat = tensor.detach().cpu().contiguous().reshape(-1)
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(memoryview(flat.view(torch.uint8).numpy()))
    return digest.hexdigest()


@lru_cache(maxsize=4)
def model_facts(model: str) -> tuple[str, float]:
    """(sha256 of the weights, logit scale as a multiplier of cosines) of a model folder, or a name as `open_model` takes it.

    Remembered while the process lives, for several datasets are scored with one model. Raises ModelError.
    """
    from clip_pipeline.models.folder import open_model

    loaded, _, _ = open_model(model, "cpu")
    return hash_weights(loaded), float(loaded.get_parameter("logit_scale").detach().exp())


def hash_model_files(model: str | Path) -> str | dict[str, str]:
    """Hashes of a folder's files or of a file of weights; for a model that open_clip brings, its name."""
    folder = Path(str(model).removeprefix("local-dir:")).expanduser()
    if folder.is_dir():
        return {path.name: hash_file(path) for path in _files(folder)}
    architecture, _, weights = str(model).partition("/")
    file = Path(weights).expanduser()
    return {architecture: hash_file(file)} if weights and file.is_file() else str(model)


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.iterdir()) if path.suffix in OF_MODELS)
