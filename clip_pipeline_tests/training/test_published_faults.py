"""Faults of published trainers, each a test that would fail if we made it too.

Others stand beside the code that they concern: photos drawn by caption, validation on the first shard and captions repeated in
a batch (test_batches), the whole set in memory (test_loader), accumulation that saves no memory (test_step), duplicate rows
(test_log, test_kills), plans that are never read (test_plans), more workers than shards (test_bad_input), and what a model
can have wrong (models/test_published_faults).
"""

from __future__ import annotations

import dataclasses
import json
import random

import numpy as np
import pyarrow as pa
import pytest
import torch
from safetensors.torch import load_file

from clip_pipeline.errors import PhotosError
from clip_pipeline.models.registry import load_config
from clip_pipeline.settings import SECTIONS, Recipe, with_settings
from clip_pipeline.training import checkpoint, trainer, validation
from clip_pipeline.training.checkpoint import load_state, save_state
from clip_pipeline.training.data import batches
from clip_pipeline.training.data.pair_reader import PairReader
from clip_pipeline.training.model.initial_model import make_model
from clip_pipeline.training.options import initial_model_of
from clip_pipeline.training.reports.log import read_log
from clip_pipeline.training.validation import ValidationSet
from clip_pipeline_tests.training.caption_tables import make_caption_table
from clip_pipeline_tests.training.conftest import SETTINGS, Images


def weights_of(root) -> dict[str, torch.Tensor]:
    return load_file(root / "model" / "open_clip_model.safetensors")


def test_the_learning_rate_reaches_its_setting_and_not_its_square(trained):
    """A reference gave an absolute rate where a factor was expected: 5e-4 became 2.5e-7."""
    rates = read_log(trained / "model" / "train_log.csv")["learning_rate"]
    assert max(rates) == pytest.approx(SETTINGS.learning_rate) and SETTINGS.learning_rate**2 < min(rates)


def test_the_plan_and_all_that_it_sets_are_recorded_with_the_model(tiny_data, tmp_path):
    """A reference had files of training plans that nothing ever read."""
    plan = tmp_path / "plan.json"
    plan.write_text(json.dumps({"about": "", "settings": {"training.beta_2": 0.97, "training.steps": 2}}))
    recipe = with_settings(dataclasses.replace(Recipe(), training=SETTINGS), [f"training.plan={plan}"])
    tiny_data.train(tmp_path, recipe.training)
    recorded = json.loads((tmp_path / "model" / "training.json").read_text())
    assert recorded["settings"]["plan"] == str(plan) and recorded["settings"]["beta_2"] == 0.97
    assert recorded["steps"] == 2


@pytest.mark.slow
def test_the_last_step_is_in_the_published_weights_and_in_the_log(tiny_data, tmp_path):
    """A reference saved whole blocks only, and lost what came after the last."""
    settings = dataclasses.replace(SETTINGS, schedule="constant", warmup_percent=0)
    for steps in (6, 7):
        tiny_data.train(tmp_path / str(steps), dataclasses.replace(settings, steps=steps))
        log = read_log(tmp_path / str(steps) / "model" / "train_log.csv")
        assert log["step"][-1] == steps and log["validation_loss"][-1] == log["validation_loss"][-1]
    six, seven = weights_of(tmp_path / "6"), weights_of(tmp_path / "7")
    assert all(not torch.equal(six[name], seven[name]) for name in ("visual.proj", "token_embedding.weight"))


def test_a_checkpoint_is_never_overwritten_in_place(tmp_path, monkeypatch):
    save_state({"plan": "p", "step": 1}, {"w": torch.ones(4)}, tmp_path)

    def killed(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", killed)  # half of it is written
    with pytest.raises(KeyboardInterrupt):
        save_state({"plan": "p", "step": 2}, {"w": torch.zeros(4)}, tmp_path)
    monkeypatch.undo()
    monkeypatch.setattr(checkpoint, "sync_tree", killed)  # all is written, nothing is surely on the disk
    with pytest.raises(KeyboardInterrupt):
        save_state({"plan": "p", "step": 2}, {"w": torch.zeros(4)}, tmp_path)
    state, weights = load_state(tmp_path, "p")
    assert state["step"] == 1 and weights["w"].tolist() == [1, 1, 1, 1]


@pytest.mark.slow
def test_a_resumed_training_draws_the_random_numbers_of_an_undisturbed_one(tiny_data, tmp_path, monkeypatch):
    """References kept no state of their generators, so dropout and order differed after a resume."""
    settings = dataclasses.replace(SETTINGS, steps=12, patch_dropout=0.5, crop_scale=0.5, flip=True, checkpoint_steps=5)
    tiny_data.train(tmp_path / "undisturbed", settings)
    real_save = trainer.save_state

    def save_then_die(*arguments):
        real_save(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(trainer, "save_state", save_then_die)
    with pytest.raises(KeyboardInterrupt):
        tiny_data.train(tmp_path / "resumed", settings)
    monkeypatch.undo()
    torch.manual_seed(99), np.random.seed(99), random.seed(99)
    tiny_data.train(tmp_path / "resumed", settings)
    undisturbed, resumed = weights_of(tmp_path / "undisturbed"), weights_of(tmp_path / "resumed")
    assert all(torch.equal(undisturbed[name], resumed[name]) for name in undisturbed)


def sorted_losses(tiny_data, root, settings) -> np.ndarray:
    """Losses of a training whose photos, in the order of their ids, come colour by colour, as from sorted shards."""
    rows = tiny_data.pairs.to_pylist()
    colour_of = {row["photo_id"]: row["caption"].split()[0] for row in rows if row["caption_index"] == 1}
    for row in rows:
        row["split"] = "train"
        row["photo_id"] = f"{colour_of[row['photo_id']]}_{row['photo_id']}"
    photos = [(f"{colour_of[photo]}_{photo}", content) for photo, content in tiny_data.photos]
    pairs = pa.Table.from_pylist(rows, schema=tiny_data.pairs.schema)
    tiny_data.train(root, settings, pairs=pairs, photos=iter(photos))
    return np.array(read_log(root / "model" / "train_log.csv")["train_loss"])


def autocorrelation(losses: np.ndarray, lag: int) -> float:
    """Of what is left when the trend, a running mean over one lag, is taken away."""
    kernel = np.ones(lag) / lag
    rest = losses[lag // 2 : lag // 2 + len(losses) - lag + 1] - np.convolve(losses, kernel, "valid")
    rest = rest[len(rest) // 4 :]  # the first fall is no noise
    return float(np.corrcoef(rest[:-lag], rest[lag:])[0, 1])


@pytest.mark.slow
def test_the_loss_is_not_periodic_with_the_shards_of_sorted_data(tiny_data, tmp_path, monkeypatch):
    """Two references read their shards in order: the loss rose and fell with them, once an epoch."""
    # a low rate keeps the losses apart: a trained model's loss would be nearly the same everywhere
    settings = dataclasses.replace(SETTINGS, epochs=25, learning_rate=3e-4)
    period = 64 // 8
    shuffled = autocorrelation(sorted_losses(tiny_data, tmp_path / "ours", settings), period)
    real_plan = batches.plan_epoch

    def in_order(table, batch_size, count, generator, repeat_captions="never"):
        photos = np.arange(batch_size * count)
        # the first two shards' captions, numbers of their own, are told apart more easily than the colours alone
        return photos, table.first[photos] + (photos >= len(photos) // 2)

    monkeypatch.setattr(batches, "plan_epoch", in_order)
    ordered = autocorrelation(sorted_losses(tiny_data, tmp_path / "theirs", settings), period)
    monkeypatch.setattr(batches, "plan_epoch", real_plan)
    noise = 2 / np.sqrt(0.75 * 200 - period)
    assert abs(shuffled) < 2 * noise, (shuffled, noise)
    assert ordered > 0.5, ordered


def test_evaluation_crops_and_varies_nothing(monkeypatch):
    """A reference cropped at random, and dropped out, while it evaluated."""
    settings = dataclasses.replace(SETTINGS, crop_scale=0.3, flip=True, color_jitter=0.5, patch_dropout=0.5)
    torch.manual_seed(0)
    model = make_model(load_config("tiny_test"), initial_model_of(settings), "cpu")
    images = np.random.default_rng(0).integers(0, 256, (12, 16, 16, 3), dtype=np.uint8)
    tokens = np.random.default_rng(1).integers(1, 290, (12, 12), dtype=np.int32)
    table = make_caption_table([[str(i)] for i in range(12)], tokens)
    mean = std = [0.5] * 3
    model.train()
    reader = PairReader(Images(images), table, (16, 16), "validation")
    held_out = ValidationSet(reader, 8, 0, mean, std)
    losses = {held_out.loss(model, None, "cpu") for _ in range(3)}
    unvaried = make_model(load_config("tiny_test"), initial_model_of(SETTINGS), "cpu")
    unvaried.load_state_dict(model.state_dict())
    assert losses == {held_out.loss(unvaried, None, "cpu")}
    assert not hasattr(validation, "draw_augmentation")


def test_a_broken_photo_is_an_error_and_not_another_photo(tiny_data, tmp_path):
    """A reference put another image in the place of one that it could not read, under the first one's caption."""
    photos = [(name, b"broken" if name == "photo07" else content) for name, content in tiny_data.photos]
    with pytest.raises(PhotosError, match="Photo photo07 in the shards cannot be decoded"):
        tiny_data.train(tmp_path, photos=iter(photos))


def test_every_switch_can_be_turned_off_and_on():
    """A reference's switches were read with bool("False"), which is true."""
    switches = [
        f"{name}.{field.name}"
        for name, section in SECTIONS.items()
        for field in dataclasses.fields(section)
        if isinstance(field.default, bool)
    ]
    assert "training.flip" in switches and "training.compile" in switches
    for switch in switches:
        section, _, field = switch.partition(".")
        for text, expected in (("false", False), ("False", False), ("0", False), ("no", False), ("true", True)):
            assert getattr(getattr(with_settings(Recipe(), [f"{switch}={text}"]), section), field) is expected
