"""Training from end to end on a tiny data set."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
import os
import pickle
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from clip_pipeline.errors import ModelError, TrainingError
from clip_pipeline.models.folder import load_model_folder
from clip_pipeline.training import loop, trainer
from clip_pipeline.training.log import COLUMNS, read_log
from clip_pipeline_tests.training.conftest import COLOURS, SETTINGS, coloured_photo

ROOT = Path(__file__).resolve().parents[2]


def model_bytes(root: Path) -> dict[str, bytes]:
    """The published files without those that hold times."""
    files = (path for path in (root / "model").iterdir() if path.suffix not in (".csv", ".png", ".parquet"))
    return {path.name: path.read_bytes() for path in files}


def clock_with_step(seconds: float) -> SimpleNamespace:
    """A clock that goes on by so much whenever it is read, so that each step is time for a checkpoint."""
    ticks = itertools.count()
    return SimpleNamespace(monotonic=lambda: seconds * next(ticks))


def test_the_model_learns_which_colour_a_photo_has(trained):
    import io

    from PIL import Image

    model, preprocess, tokenizer = load_model_folder(trained / "model")
    photos = torch.stack([preprocess(Image.open(io.BytesIO(coloured_photo(c, 900)))) for c in COLOURS])
    with torch.no_grad():
        similarity = (
            model.encode_image(photos, normalize=True)
            @ model.encode_text(tokenizer([f"{colour} paint" for colour in COLOURS]), normalize=True).T
        )
    assert similarity.argmax(1).tolist() == [0, 1, 2, 3]


def test_the_folder_holds_model_tokenizer_log_and_summary(trained):
    names = {path.name for path in (trained / "model").iterdir()}
    assert names == {
        *("open_clip_config.json", "open_clip_model.safetensors", "tokenizer.json", "tokenizer_config.json"),
        *("special_tokens_map.json", "train_log.csv", "train_log.parquet", "loss.png", "training.json"),
    }
    summary = json.loads((trained / "model" / "training.json").read_text())
    assert summary["steps"] == 65 == round(10 * 52 / 8)
    assert summary["final_train_loss"] < 0.8 * math.log(8)
    assert summary["training_photos"] == 52 and summary["validation_photos"] == 12
    assert {path.suffix for path in (trained / "work").iterdir()} == {".npy", ".json", ".csv", ".parquet"}, (
        "no state is left behind"
    )


def test_the_log_holds_each_step_once_with_the_rates_of_the_schedule(trained):
    log = read_log(trained / "model" / "train_log.csv")
    assert tuple(log) == COLUMNS
    assert log["step"] == list(range(1, 66))
    assert max(log["learning_rate"]) == pytest.approx(SETTINGS.learning_rate)
    measured = [step for step, loss in zip(log["step"], log["validation_loss"], strict=True) if not math.isnan(loss)]
    assert measured == [*range(6, 65, 6), 65]


def test_a_second_training_gives_the_same_bytes_and_another_seed_does_not(tiny_data, trained, tmp_path):
    tiny_data.train(tmp_path / "again", photos=reversed(tiny_data.photos))
    assert model_bytes(tmp_path / "again") == model_bytes(trained)
    tiny_data.train(tmp_path / "other", dataclasses.replace(SETTINGS, seed=1))
    assert model_bytes(tmp_path / "other") != model_bytes(trained)


@pytest.mark.parametrize(
    "extra",
    [
        {},
        {"ema_decay": 0.95, "precision": "bf16", "crop_scale": 0.6, "flip": True, "word_loss": 1.0},
        {"loss": "sigmoid", "chunk_size": 3, "patch_dropout": 0.5, "ema_decay": 0.9, "publish": "best"},
        {
            "precision": "fp16",
            "gradient_checkpointing": True,
            "chunk_size": 4,
            "freeze": "text",
            "schedule": "cooldown",
        },
    ],
    ids=["plain", "averaged_bf16", "sigmoid_in_chunks", "fp16_in_chunks"],
)
def test_a_training_interrupted_twice_ends_with_the_same_bytes(tiny_data, tmp_path, monkeypatch, extra):
    settings = dataclasses.replace(SETTINGS, epochs=4, **extra)
    tiny_data.train(tmp_path / "undisturbed", settings)
    real_save = trainer.save_state

    def save_then_die(state, *rest):
        real_save(state, *rest)
        if state["step"] in (7, 20):
            raise KeyboardInterrupt

    monkeypatch.setattr(trainer, "save_state", save_then_die)
    eager = dataclasses.replace(settings, checkpoint_seconds=1)
    monkeypatch.setattr(trainer, "time", clock_with_step(2.0))
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            tiny_data.train(tmp_path / "disturbed", eager)
    tiny_data.train(tmp_path / "disturbed", eager)
    assert model_bytes(tmp_path / "disturbed") == model_bytes(tmp_path / "undisturbed")
    log = read_log(tmp_path / "disturbed" / "model" / "train_log.csv")
    assert log["step"] == list(range(1, 27)), "a resumed log repeats no row"
    assert log["train_loss"] == read_log(tmp_path / "undisturbed" / "model" / "train_log.csv")["train_loss"]


def test_kill_9_at_several_moments_then_the_same_losses_and_bytes(tiny_data, tmp_path):
    """A real process, really killed at steps that chance chooses; everything on that has a state or draws numbers."""
    settings = dataclasses.replace(
        SETTINGS, epochs=25, loss="sigmoid", chunk_size=3, ema_decay=0.9, patch_dropout=0.5, word_loss=0.5, flip=True
    )
    eager = dataclasses.replace(settings, checkpoint_steps=1, keep_checkpoints=2)
    (tmp_path / "data.pickle").write_bytes(pickle.dumps((tiny_data, eager, tmp_path / "killed")))
    code = (
        "import pickle, sys, pathlib\n"
        f"data, settings, root = pickle.loads(pathlib.Path({str(tmp_path / 'data.pickle')!r}).read_bytes())\n"
        "data.train(root, settings)\n"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    states = tmp_path / "killed" / "work" / "checkpoints"
    chance = np.random.default_rng()
    for moment in sorted(chance.integers(1, 150, 2).tolist()):
        process = subprocess.Popen([sys.executable, "-c", code], env=environment)
        deadline = time.monotonic() + 120
        while process.poll() is None and time.monotonic() < deadline:
            if any(int(path.name.removeprefix("step_")) >= moment for path in states.glob("step_*")):
                break
            time.sleep(0.002)
        process.kill()
        process.wait()
    assert list(states.glob("step_*")), "it was killed before its end"
    tiny_data.train(tmp_path / "killed", eager)
    tiny_data.train(tmp_path / "undisturbed", settings)
    assert model_bytes(tmp_path / "killed") == model_bytes(tmp_path / "undisturbed")
    killed, undisturbed = (read_log(tmp_path / name / "model/train_log.csv") for name in ("killed", "undisturbed"))
    for column in ("step", "train_loss", "gradient_norm", "logit_scale"):
        assert killed[column] == undisturbed[column], column


def test_a_state_of_other_settings_is_left_aside(tiny_data, trained, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "remove_states", lambda folder: None)
    monkeypatch.setattr(trainer, "time", clock_with_step(40.0))
    tiny_data.train(tmp_path, dataclasses.replace(SETTINGS, seed=5))
    assert len(list((tmp_path / "work" / "checkpoints").iterdir())) == 1
    tiny_data.train(tmp_path)
    assert model_bytes(tmp_path) == model_bytes(trained)


def test_the_callers_random_numbers_and_threads_are_left_as_they_were(tiny_data, tmp_path):
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    threads = torch.get_num_threads()
    tiny_data.train(tmp_path, dataclasses.replace(SETTINGS, epochs=1))
    assert torch.equal(torch.rand(1), expected)
    assert torch.get_num_threads() == threads
    assert not torch.are_deterministic_algorithms_enabled()


def test_shuffled_captions_teach_nothing(tiny_data, tmp_path):
    settings = dataclasses.replace(SETTINGS, shuffle_captions=True)
    summary = tiny_data.train(tmp_path, settings)
    assert summary["final_validation_loss"] > 0.9 * math.log(8)


def test_no_pairs_and_too_large_a_batch_get_a_sentence(tiny_data, tmp_path):
    with pytest.raises(TrainingError, match="no training pairs"):
        tiny_data.train(tmp_path, pairs=tiny_data.pairs.slice(0, 0))
    with pytest.raises(
        TrainingError, match=r"batch_size is 64, but there are only 52 .* Set training.batch_size to 13"
    ):
        tiny_data.train(tmp_path, dataclasses.replace(SETTINGS, batch_size=64))
    with pytest.raises(ModelError, match='no model "tiny_tset". Did you mean "tiny_test"'):
        tiny_data.train(tmp_path, dataclasses.replace(SETTINGS, model="tiny_tset"))


def test_without_validation_photos_the_training_goes_on(tiny_data, tmp_path):
    train_only = tiny_data.pairs.filter(np.array(tiny_data.pairs["split"].to_pylist()) == "train")
    summary = tiny_data.train(tmp_path, dataclasses.replace(SETTINGS, epochs=1), pairs=train_only)
    assert summary["final_validation_loss"] is None


def test_a_loss_that_is_no_number_gets_a_sentence(tiny_data, tmp_path):
    wild = dataclasses.replace(SETTINGS, learning_rate=1.0, clip_norm=0, warmup_percent=0, weight_decay=1e30)
    with pytest.raises(TrainingError, match="no finite number. Lower training.learning_rate"):
        tiny_data.train(tmp_path, wild)
