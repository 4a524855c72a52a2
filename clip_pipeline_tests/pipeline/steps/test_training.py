"""The stored images of a training, as an artifact that other trainings use again."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clip_pipeline.api.train import train
from clip_pipeline.errors import StoreError
from clip_pipeline.pipeline.graph import STEPS
from clip_pipeline.pipeline.stages import artifact_key
from clip_pipeline.pipeline.takedown import take_down
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.settings import with_settings
from clip_pipeline.settings.recipes import Recipe, find_recipe
from clip_pipeline.training.data.decoded_images import StoredImages
from clip_pipeline.training.data.image_format import ImageFormat

IMAGES, CHECKPOINT = STEPS["decoded_images"], STEPS["clip_checkpoint"]


def recipe(*assignments: str) -> Recipe:
    return with_settings(find_recipe("tiny"), ["training.steps=2", *assignments])


@pytest.fixture
def data(tiny_data, tmp_path) -> Path:
    return Path(shutil.copytree(tiny_data, tmp_path / "data", copy_function=shutil.copy2))


def weights(workspace: Workspace) -> bytes:
    return (CHECKPOINT.materialise(workspace, "tiny_test").artifact.folder / "open_clip_model.safetensors").read_bytes()


def test_other_seeds_and_settings_decode_nothing_again(data):
    for assignments in (["training.seed=1"], ["training.crop_scale=0.5", "training.learning_rate=0.002"]):
        with Workspace(data, recipe(*assignments)) as workspace:
            assert IMAGES.materialise(workspace, "16px_squash").hit
            assert not CHECKPOINT.materialise(workspace, "tiny_test").hit
    with Workspace(data, recipe("training.cached_image_size=20")) as workspace:
        assert IMAGES.partitions(workspace) == ["20px_squash"]
        assert not IMAGES.materialise(workspace, "20px_squash").hit


def test_streamed_and_stored_end_with_the_same_model_which_either_finds_fresh(data):
    with Workspace(data, recipe("training.cache_decoded_images=false")) as workspace:
        assert IMAGES.partitions(workspace) == []
        shutil.rmtree(workspace.store.folder(artifact_key("decoded_images")))
        streamed = weights(workspace)
    with Workspace(data, recipe()) as workspace:
        assert CHECKPOINT.materialise(workspace, "tiny_test").hit, "the way of reading is no setting of the model"
        IMAGES.materialise(workspace, "16px_squash")
        rebuilt = CHECKPOINT.materialise(workspace, "tiny_test", force=True)
        assert (rebuilt.artifact.folder / "open_clip_model.safetensors").read_bytes() == streamed


def test_images_of_other_photos_are_not_trained_on(data):
    with Workspace(data, recipe()) as workspace:
        changed = dataclasses.replace(
            workspace.recipe, pairs=dataclasses.replace(workspace.recipe.pairs, validation_percent=20)
        )
    with Workspace(data, changed) as workspace:
        STEPS["image_text_pairs"].materialise(workspace)
        with pytest.raises(
            StoreError, match=r"decoded_images\[16px_squash\] is not made of the photos .* Materialise decoded_images"
        ):
            CHECKPOINT.materialise(workspace, "tiny_test")
        IMAGES.materialise(workspace, "16px_squash")
        assert not CHECKPOINT.materialise(workspace, "tiny_test").hit


def test_a_photo_that_is_taken_down_leaves_the_images_of_every_format(data):
    with Workspace(data, recipe("training.cached_image_size=20")) as workspace:
        folder = IMAGES.materialise(workspace, "20px_squash").artifact.folder
    import pyarrow.parquet as pq

    names = pq.read_table(folder / "photo_ids.parquet")["photo_id"].to_pylist()
    gone = names[3]
    image = np.load(folder / "images.npy")[3]
    with Workspace(data, recipe()) as workspace:
        take_down(workspace, [gone])
        for partition in ("16px_squash", "20px_squash"):
            stored = workspace.get("decoded_images", partition).folder
            left = pq.read_table(stored / "photo_ids.parquet")["photo_id"].to_pylist()
            assert gone not in left and len(left) >= len(names) - 2, "near-duplicates may change their split"
    assert not (np.load(folder / "images.npy") == image).all((1, 2, 3)).any()
    StoredImages(folder, left, ImageFormat(20, "squash"))


@pytest.mark.slow
def test_the_train_command_streams_when_told_and_ends_with_the_same_model(tmp_path):
    for number in range(40):
        pixels = np.full((24, 24, 3), (number * 6, 255 - number * 6, number % 7 * 30), np.uint8)
        pixels[::3, :: 1 + number % 5] = 255 - pixels[0, 0]
        (tmp_path / "photos").mkdir(exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / "photos" / f"{number:02d}.png")
    rows = "".join(f"{number:02d}.png,an image with number {number}\n" for number in range(40))
    (tmp_path / "photos" / "captions.csv").write_text("file,caption\n" + rows)
    models = []
    for way in ("true", "false"):
        settings = ("training.batch_size=8", "download.min_side=8", f"training.cache_decoded_images={way}")
        folder = tmp_path / f"model_{way}"
        train(tmp_path / "photos", folder, recipe=recipe(*settings))
        models.append((folder / "open_clip_model.safetensors").read_bytes())
        told = json.loads((folder / "recipe.json").read_text())
        assert (told["training"]["batch_size"], told["training"]["cache_decoded_images"]) == (8, way == "true")
    assert models[0] == models[1]
