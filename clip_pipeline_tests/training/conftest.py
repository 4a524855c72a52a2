"""A data set small enough to train on in a second: squares of one colour, and captions that name it."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from clip_pipeline.records import IMAGE_TEXT_PAIRS
from clip_pipeline.settings import ComputeSettings, TokenizerSettings, TrainingSettings
from clip_pipeline.training import train
from clip_pipeline.training.train import train_clip
from clip_pipeline_tests.made.tokenizers import train_tokenizer

COLOURS = {"red": (220, 30, 30), "green": (30, 180, 40), "blue": (30, 60, 210), "yellow": (240, 220, 40)}
SETTINGS = TrainingSettings(
    model="tiny_test", epochs=10, batch_size=8, learning_rate=3e-3, weight_decay=0.1, warmup_percent=10
)
COMPUTE = ComputeSettings(device="cpu", threads=1, workers=1)


def coloured_photo(colour: str, seed: int) -> bytes:
    noise = np.random.default_rng(seed).normal(0, 12, (20, 24, 3))
    pixels = np.clip(np.array(COLOURS[colour]) + noise, 0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


class Images:
    """A source of images that lie in an array, (N, side, side, 3) uint8."""

    def __init__(self, images: np.ndarray):
        self.images, self.shape, self.nbytes = images, images.shape[1:3], images.nbytes
        self.photo_ids = [f"photo{row}" for row in range(len(images))]

    def __len__(self) -> int:
        return len(self.images)

    def read_into(self, row: int, image: np.ndarray) -> None:
        image[...] = self.images[row]


@dataclass
class TinyData:
    pairs: pa.Table
    photos: list[tuple[str, bytes]]
    tokenizer_folder: Path

    def train(self, root: Path, settings: TrainingSettings = SETTINGS, **changes) -> dict:
        """Trains into root/model with the work folder root/work."""
        arguments = {
            "pairs": self.pairs,
            "photos": iter(self.photos),
            "tokenizer_folder": self.tokenizer_folder,
            "settings": settings,
            "compute": COMPUTE,
            "work_folder": root / "work",
            "folder": root / "model",
        }
        return train_clip(**(arguments | changes))


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory) -> TinyData:
    names = list(COLOURS)
    photos, rows = [], []
    for number in range(64):
        colour, photo_id = names[number % 4], f"photo{number:02d}"
        photos.append((photo_id, coloured_photo(colour, number)))
        split = "validation" if number >= 52 else "train"
        for index, caption in enumerate((f"a {colour} square number {number}", f"{colour} paint")):
            row = {"photo_id": photo_id, "shard": "00000", "key": photo_id, "caption_index": index, "caption": caption}
            rows.append(row | {"split": split, "group": photo_id, "width": 24, "height": 20})
    folder = tmp_path_factory.mktemp("tiny")
    (folder / "corpus.txt").write_text("\n".join(sorted({row["caption"] for row in rows})))
    train_tokenizer(folder / "corpus.txt", TokenizerSettings(vocab_size=300), 12, folder)
    return TinyData(pa.Table.from_pylist(rows, schema=IMAGE_TEXT_PAIRS), photos, folder)


@pytest.fixture(autouse=True)
def _figures_are_copies(monkeypatch):
    """Drawing a training's curve takes as long as the training. `trained` has one that is drawn, reports/test_log looks at others."""
    monkeypatch.setattr(train, "plot_log", lambda log, path, *about: Path(path).write_bytes(b"a figure"))


@pytest.fixture(scope="session")
def trained(tiny_data, tmp_path_factory) -> Path:
    """An undisturbed training; its model lies in `model`, its work folder is `work`."""
    root = tmp_path_factory.mktemp("trained")
    tiny_data.train(root)
    return root
