"""Whole trainings that decode their photos as they go."""

from __future__ import annotations

import dataclasses
import json

import pytest

from clip_pipeline.errors import TrainingError
from clip_pipeline.images.shards.tar import write_shard
from clip_pipeline.training import trainer
from clip_pipeline.training.data.shard_images import shard_photos
from clip_pipeline.training.data.undecodable_images import read_undecodable_images
from clip_pipeline_tests.training.conftest import SETTINGS
from clip_pipeline_tests.training.test_train import clock_with_step, model_bytes

VARIED = dataclasses.replace(SETTINGS, epochs=4, crop_scale=0.6, flip=True, color_jitter=0.2)


@pytest.fixture
def in_shards(tiny_data, tmp_path):
    """The tiny data in a tar; `broken` photos are cut."""

    def write(broken: tuple[str, ...] = ()):
        path = tmp_path / "00000.tar"
        cut = {name: content[:100] if name in broken else content for name, content in tiny_data.photos}
        write_shard(path, [(name, {"jpg": content}) for name, content in cut.items()])
        return shard_photos(tiny_data.pairs, {"00000": path})

    return write


@pytest.mark.slow
def test_it_ends_with_the_bytes_of_one_that_stored_its_images(tiny_data, tmp_path, in_shards):
    for settings in (dataclasses.replace(SETTINGS, epochs=2), dataclasses.replace(VARIED, cached_image_size=18)):
        name = str(settings.cached_image_size)
        tiny_data.train(tmp_path / "stored" / name, settings)
        tiny_data.train(tmp_path / "streamed" / name, settings, photos=in_shards())
        assert model_bytes(tmp_path / "stored" / name) == model_bytes(tmp_path / "streamed" / name)


@pytest.mark.slow
def test_undecodable_images_are_named_beside_the_model_and_resuming_changes_nothing(
    tiny_data, tmp_path, in_shards, monkeypatch
):
    photos = in_shards(("photo02", "photo55"))  # one to train on, one of the validation
    settings = dataclasses.replace(VARIED, max_undecodable_percent=5)
    summary = tiny_data.train(tmp_path / "undisturbed", settings, photos=photos)
    assert summary["undecodable_images"] == 2
    noted = read_undecodable_images(tmp_path / "undisturbed" / "model" / "undecodable_images.csv")
    assert {(bad.split, bad.photo_id) for bad in noted} == {("train", "photo02"), ("validation", "photo55")}
    assert [bad.split for bad in noted].count("validation") == 1, "once, though every validation meets it"
    assert json.loads((tmp_path / "undisturbed" / "model" / "training.json").read_text())["undecodable_images"] == 2
    real_save = trainer.save_state

    def save_then_die(state, *rest):
        real_save(state, *rest)
        if state["step"] in (7, 20):
            raise KeyboardInterrupt

    monkeypatch.setattr(trainer, "save_state", save_then_die)
    monkeypatch.setattr(trainer, "time", clock_with_step(40.0))
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            tiny_data.train(tmp_path / "disturbed", settings, photos=photos)
    tiny_data.train(tmp_path / "disturbed", settings, photos=photos)
    assert model_bytes(tmp_path / "disturbed") == model_bytes(tmp_path / "undisturbed")
    again = read_undecodable_images(tmp_path / "disturbed" / "model" / "undecodable_images.csv")
    assert again == noted


def test_more_undecodable_images_than_allowed_stop_it(tiny_data, tmp_path, in_shards):
    with pytest.raises(
        TrainingError, match=r"1 of 52 photos cannot be decoded, more than training.max_undecodable_percent \(1\)"
    ):
        tiny_data.train(tmp_path, VARIED, photos=in_shards(("photo07",)))
