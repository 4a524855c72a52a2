"""Vectors of the classes of many prompts, kept in the user's cache: 80 prompts of ImageNet's 1,000 classes take minutes on a CPU."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from clip_pipeline.embedding.encode import embed_texts
from clip_pipeline.embedding.texts import prompt_table
from clip_pipeline.evaluation.zero_shot import class_vectors
from clip_pipeline.models.identity import hash_model_files, hash_weights
from clip_pipeline.storage.cache import cached_folder, user_cache
from clip_pipeline.storage.disk import hash_json

MIN_PROMPTS = 500
"""Fewer are encoded anew: to know which model it is takes as long."""

KEPT = 8
FILE = "classes.npy"
VERSION = 1


def vectors_of_classes(
    model_name: str | Path, model: Any, tokenizer: Any, labels: Sequence[str], templates: Sequence[str], device: str
) -> tuple[np.ndarray, int, bool]:
    """(vectors of the classes, a unit vector each; how many prompts; whether they were encoded before).

    model_name: what `model` and `tokenizer` were opened from. Kept by the model's files and weights, the prompts and the device.
    """
    prompts = prompt_table(labels, templates)
    texts = prompts["text"].to_pylist()
    encoded = False

    def encode() -> np.ndarray:
        nonlocal encoded
        encoded = True
        prompts_PD = embed_texts(model, tokenizer, texts, device=device)
        return class_vectors(prompts_PD, prompts["class_index"].to_numpy(), len(labels))

    if len(texts) < MIN_PROMPTS:
        return encode(), len(texts), False
    identity = hash_json(
        [VERSION, hash_model_files(model_name), hash_weights(model), device, texts, prompts["class_index"].to_pylist()]
    )
    folder = cached_folder(
        user_cache(), "class_vectors", identity, lambda place: np.save(place / FILE, encode()), kept=KEPT
    )
    return np.load(folder / FILE), len(texts), not encoded
