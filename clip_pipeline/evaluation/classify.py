"""`clip-pipeline classify`: which of some labels fits a photo best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from clip_pipeline.embedding.device import choose_device
from clip_pipeline.embedding.encoder import embed_images, embed_texts
from clip_pipeline.embedding.texts import prompt_table
from clip_pipeline.errors import DatasetError, PhotosError
from clip_pipeline.evaluation.zero_shot import class_vectors

LABELS_AS_THEY_ARE = ("{c}",)


@dataclass(frozen=True)
class Classified:
    """path: the photo. ranked: (label, probability) from likeliest to least; the probabilities sum to 1."""

    path: Path
    ranked: list[tuple[str, float]]


def classify_images(
    model_dir: Path,
    image_paths: Sequence[Path],
    labels: Sequence[str],
    device: str = "auto",
    templates: Sequence[str] = LABELS_AS_THEY_ARE,
) -> list[Classified]:
    """Softmax over the labels of logit scale × cosine, one result a photo.

    templates: prompts with `{c}` where the label goes; by default the label itself is the prompt. Raises DatasetError
    for fewer than two labels or a repeated one, PhotosError for a path that is no photo, ModelError.
    """
    from clip_pipeline.models.folder import load_model_folder

    labels = list(labels)
    if len(set(labels)) < 2 or len(set(labels)) != len(labels):
        raise DatasetError(
            f"{len(labels)} labels, {len(set(labels))} different ones: {', '.join(labels) or 'none'}. "
            'Give at least two different labels, as in --labels "a dog, a cat".'
        )
    contents = [(str(path), _read_photo(path)) for path in image_paths]
    device = choose_device(device)
    model, preprocess, tokenizer = load_model_folder(Path(model_dir), device)
    prompts = prompt_table(labels, templates)
    prompts_PD = embed_texts(model, tokenizer, prompts["text"].to_pylist(), device=device)
    classes_CD = class_vectors(prompts_PD, prompts["class_index"].to_numpy(), len(labels))
    embedded = embed_images(model, preprocess, contents, len(contents), device=device)
    if embedded.failures:
        path, _, reason = embedded.failures[0]
        raise PhotosError(f"{path} cannot be decoded as a photo: {reason}. Give JPEG, PNG or WebP files.")
    logits_NC = float(model.get_parameter("logit_scale").detach().exp()) * (embedded.matrix_ND @ classes_CD.T)
    return [
        Classified(Path(path), _ranked(labels, logits_C))
        for path, logits_C in zip(embedded.ids, logits_NC, strict=True)
    ]


def _read_photo(path: Path) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise PhotosError(f"{path} cannot be read: {error.strerror}. Give the path of a photo.") from error


def _ranked(labels: Sequence[str], logits_C: np.ndarray) -> list[tuple[str, float]]:
    weights_C = np.exp(logits_C - logits_C.max())
    probabilities_C = weights_C / weights_C.sum()
    return [(labels[c], float(probabilities_C[c])) for c in np.argsort(-probabilities_C, kind="stable")]
