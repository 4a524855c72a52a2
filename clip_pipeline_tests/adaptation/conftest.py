"""A model of random weights and labelled photos that it can be adapted to: colours, told apart by their mean."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from clip_pipeline.settings import AdaptationSettings, ComputeSettings, EvaluationSettings

COLOURS = {"red": (220, 30, 30), "green": (30, 200, 40), "blue": (30, 40, 220), "grey": (128, 128, 128)}
FAR_COLOURS = {"yellow": (230, 220, 30), "pink": (240, 120, 190)}

SETTINGS = AdaptationSettings(
    fractions="10,50,100",
    seeds=2,
    batch_size=8,
    epochs=2,
    min_steps=4,
    max_steps=6,
    validations=2,
    learning_rate=3e-3,
    lora_rank=2,
    alphas="0,0.5,1",
    precision="fp32",
)
EVALUATION = EvaluationSettings(bootstrap_samples=100)
COMPUTE = ComputeSettings(device="cpu", threads=1, workers=1)


def write_photos(folder: Path, colours: dict[str, tuple[int, int, int]], count: int, seed: int) -> None:
    """`count` photos a colour below folder/COLOUR/, with noise, so that no two are the same."""
    from PIL import Image

    random = np.random.default_rng(seed)
    for name, colour in colours.items():
        (folder / name).mkdir(parents=True)
        for number in range(count):
            noise = random.integers(-60, 60, (20, 24, 3))
            pixels = np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{name}{number:02d}.png")


@pytest.fixture(scope="session")
def model(tmp_path_factory) -> str:
    from clip_pipeline_tests.made.tiny_model import build_tiny_model

    return str(build_tiny_model(tmp_path_factory.mktemp("adapted")))


@pytest.fixture(scope="session")
def photos(tmp_path_factory) -> Path:
    """colours/ with train and test, far/ without splits."""
    folder = tmp_path_factory.mktemp("photos")
    write_photos(folder / "colours/train", COLOURS, 12, seed=0)
    write_photos(folder / "colours/test", COLOURS, 5, seed=1)
    write_photos(folder / "far", FAR_COLOURS, 4, seed=2)
    return folder


@pytest.fixture(scope="session")
def settings(photos) -> AdaptationSettings:
    return replace(SETTINGS, dataset=str(photos / "colours"), out_of_domain=str(photos / "far"))


@pytest.fixture(scope="session")
def data(model, photos, settings, tmp_path_factory):
    """The shared data, opened."""
    from clip_pipeline.adaptation.data import open_data
    from clip_pipeline.adaptation.preparation import prepare_data
    from clip_pipeline.evaluation.datasets import open_dataset

    folder = tmp_path_factory.mktemp("shared")
    prepare_data(model, open_dataset(photos / "colours"), open_dataset(photos / "far"), settings, COMPUTE, folder)
    return open_data(folder)


@pytest.fixture
def context(model, data, settings):
    from clip_pipeline.adaptation.trial_context import TrialContext

    return TrialContext.open(model, data, settings, EVALUATION, COMPUTE)
