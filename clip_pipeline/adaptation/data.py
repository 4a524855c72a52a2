"""What all trials of the sweep share, made once: decoded images, embeddings before adaptation, class vectors, fractions.

photos.parquet            id, label, part (train, validation, test, out_of_domain, or left_out with a reason)
decoded_images.npy      (N, H, W, 3) bytes, as the model's own preprocessing gives them before it normalises
images.npy, .parquet      unit vectors of all photos that could be decoded (`embedding/store.py`)
classes.npy               (C, D) unit vectors of the classes' texts; out_of_domain_classes.npy likewise
fractions.json, .parquet  the manifest of every fraction, and for each photo the smallest fraction that holds it
data.json                 names, sizes and how images are normalised
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from clip_pipeline.adaptation.fractions import draw_fractions
from clip_pipeline.embedding.store import aligned_rows, read_embeddings
from clip_pipeline.machine.progress import progress
from clip_pipeline.pixels.normalise import normalised_images

PHOTOS_FILE, IMAGES_FILE, DATA_FILE = "photos.parquet", "decoded_images.npy", "data.json"
FRACTIONS_FILE = "fractions.json"
IMAGES = "images"
OUT_OF_DOMAIN, LEFT_OUT = "out_of_domain", "left_out"
ROWS_AT_A_TIME = 256
ENCODED_AT_A_TIME = 64


@dataclass(frozen=True)
class AdaptationData:
    """The folder, opened. images: (N, H, W, 3), read where they are asked for. labels, parts: (N,)."""

    folder: Path
    about: dict[str, Any]
    ids: list[str]
    labels: np.ndarray
    parts: np.ndarray
    images: np.ndarray = field(repr=False)

    def rows(self, part: str) -> np.ndarray:
        """Row numbers of a part, ascending."""
        return np.flatnonzero(self.parts == part)

    def pixels(self, images: np.ndarray, device: str) -> Any:
        """(B, 3, H, W) normalised as the model wants it, from (B, H, W, 3) bytes."""
        images = np.require(images, requirements=("C", "W"))  # the stored file is open for reading alone
        return normalised_images(images, self.about["mean"], self.about["std"], device)

    @cached_property
    def embeddings(self) -> np.ndarray:
        """(N, D) float32 unit vectors of the model before adaptation; zeros for a photo that was left out."""
        keys, stored_ND = read_embeddings(self.folder, IMAGES)
        all_ND = np.zeros((len(self.ids), stored_ND.shape[1]), np.float32)
        all_ND[aligned_rows("photos of the adaptation", keys["id"].to_pylist(), self.ids)] = stored_ND
        return all_ND

    def classes(self, part: str = "") -> np.ndarray:
        """(C, D) unit vectors of the classes' texts; part: "" for the classes that are learnt, or out_of_domain."""
        return np.load(self.folder / (f"{part}_classes.npy" if part else "classes.npy"))

    def fraction(self, percent: float, seed: int) -> np.ndarray:
        """Row numbers of a fraction's training photos, ascending."""
        train = self.rows("train")
        return train[draw_fractions(self.labels[train], len(self.about["classes"]), [percent], seed).rows_of[percent]]


def open_data(folder: Path) -> AdaptationData:
    """What `prepare_data` wrote."""
    photos = pq.read_table(folder / PHOTOS_FILE)
    return AdaptationData(
        folder,
        json.loads((folder / DATA_FILE).read_text(encoding="utf-8")),
        photos["id"].to_pylist(),
        photos["label"].to_numpy(),
        np.array(photos["part"].to_pylist()),
        np.load(folder / IMAGES_FILE, mmap_mode="r"),
    )


def encode_rows(visual: Any, data: AdaptationData, rows: np.ndarray, device: str) -> np.ndarray:
    """(len(rows), D) float32 features of stored images, as the encoder gives them: not of unit length."""
    import torch

    parts = []
    with torch.inference_mode(), progress("Embedding photos", len(rows), "photo") as bar:
        for start in range(0, len(rows), ENCODED_AT_A_TIME):
            chunk = rows[start : start + ENCODED_AT_A_TIME]
            parts.append(visual(data.pixels(data.images[chunk], device)).float().cpu().numpy())
            bar.advance(len(chunk))
    return np.concatenate(parts)
