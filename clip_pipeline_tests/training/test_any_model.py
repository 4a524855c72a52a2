"""Going on from anybody's model: for each form that `embed` reads, a step that moves nothing gives the model back.

The vectors are those of open_clip alone, by its own `create_model_and_transforms`, before and after.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from clip_pipeline_tests.made.model_forms import FORMS
from clip_pipeline_tests.training.conftest import SETTINGS, TinyData

STILL = dataclasses.replace(SETTINGS, steps=1, learning_rate=1e-9, weight_decay=0.0)
TEXTS = [
    "A photo of a RED square, number 7!",
    "blue paint",
    "the cup on the table",
    "an unknowable thing, and more words than fit",
    "",
]


def some_images() -> list[Image.Image]:
    generator = np.random.default_rng(0)
    shapes = ((30, 40, 3), (64, 37, 3), (50, 200, 3))
    return [Image.fromarray(generator.integers(0, 256, shape, dtype=np.uint8)) for shape in shapes]


def open_clips_vectors(name: str) -> tuple[torch.Tensor, torch.Tensor]:
    """(images, texts) as open_clip alone gives them. name: a folder, or ARCHITECTURE/FILE."""
    import open_clip

    architecture, _, file = name.partition("/") if not Path(name).is_dir() else (f"local-dir:{name}", "", None)
    model, _, preprocess = open_clip.create_model_and_transforms(architecture, pretrained=file or None)
    tokenizer = open_clip.get_tokenizer(architecture)
    model.eval()
    with torch.no_grad():
        images = torch.stack([preprocess(image) for image in some_images()])
        return model.encode_image(images, normalize=True), model.encode_text(tokenizer(TEXTS), normalize=True)


@pytest.mark.parametrize("form", FORMS)
def test_a_step_that_moves_nothing_gives_the_model_back(form, tiny_data: TinyData, tmp_path):
    name = FORMS[form](tmp_path / "theirs")
    tiny_data.train(tmp_path, dataclasses.replace(STILL, init_from=name), tokenizer_folder=tmp_path / "not looked at")
    before, after = open_clips_vectors(name), open_clips_vectors(str(tmp_path / "model"))
    for what, old, new in zip(("images", "texts"), before, after, strict=True):
        assert (old - new).abs().max() < 1e-4, what
