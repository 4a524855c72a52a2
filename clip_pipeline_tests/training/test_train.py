"""Training from end to end on a tiny data set."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
import signal
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from clip_pipeline.errors import ModelError, TrainingError
from clip_pipeline.models.folder import load_model_folder
from clip_pipeline.settings.recipes import LAPTOP
from clip_pipeline.training import train, trainer
from clip_pipeline.training.reports.log import COLUMNS, read_log
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


@pytest.mark.parametrize("step", [30, 65])
def test_ctrl_c_saves_the_very_step_and_the_next_run_ends_with_the_same_bytes(tiny_data, trained, tmp_path, step):
    """Before, what had been done since the last saved state, up to half a minute, was lost."""

    def press(row) -> None:
        if row["step"] == step:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        tiny_data.train(tmp_path, on_row=press)
    (state,) = (tmp_path / "work" / "checkpoints").iterdir()
    assert state.name == f"step_{step:09d}"
    tiny_data.train(tmp_path)
    assert model_bytes(tmp_path) == model_bytes(trained)


def test_the_folder_holds_model_tokenizer_log_and_summary(trained):
    names = {path.name for path in (trained / "model").iterdir()}
    assert names == {
        *("open_clip_config.json", "open_clip_model.safetensors", "tokenizer.json", "tokenizer_config.json"),
        *("special_tokens_map.json", "train_log.csv", "train_log.parquet", "loss.png", "training.json"),
    }
    assert (trained / "model" / "loss.png").read_bytes()[:4] == b"\x89PNG"
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


@pytest.mark.slow
def test_a_second_training_gives_the_same_bytes_and_another_seed_does_not(tiny_data, trained, tmp_path):
    tiny_data.train(tmp_path / "again", photos=reversed(tiny_data.photos))
    assert model_bytes(tmp_path / "again") == model_bytes(trained)
    tiny_data.train(tmp_path / "other", dataclasses.replace(SETTINGS, seed=1))
    assert model_bytes(tmp_path / "other") != model_bytes(trained)


@pytest.mark.slow
def test_a_state_of_other_settings_is_left_aside(tiny_data, trained, tmp_path, monkeypatch):
    monkeypatch.setattr(train, "remove_states", lambda folder: None)
    monkeypatch.setattr(trainer, "time", clock_with_step(40.0))
    tiny_data.train(tmp_path, dataclasses.replace(SETTINGS, seed=5))
    assert len(list((tmp_path / "work" / "checkpoints").iterdir())) == 1
    tiny_data.train(tmp_path)
    assert model_bytes(tmp_path) == model_bytes(trained)


@pytest.mark.slow
def test_the_laptops_training_goes_on_after_a_stop_and_its_model_is_loaded(tiny_data, tmp_path):
    """An encoder of timm, several captions, left-out words, mixing and averaged weights: all of it from the recipe."""

    class Stopped(Exception):
        pass

    def stop(row) -> None:
        if row["step"] == 3:
            raise Stopped

    settings = dataclasses.replace(LAPTOP.training, steps=4, batch_size=8)
    eager = dataclasses.replace(settings, checkpoint_steps=1)
    with pytest.raises(Stopped):
        tiny_data.train(tmp_path / "stopped", eager, on_row=stop)
    assert [path.name for path in (tmp_path / "stopped/work/checkpoints").iterdir()] == ["step_000000002"]
    tiny_data.train(tmp_path / "stopped", eager)
    tiny_data.train(tmp_path / "whole", settings)
    assert model_bytes(tmp_path / "stopped") == model_bytes(tmp_path / "whole")
    model, _, tokenizer = load_model_folder(tmp_path / "whole" / "model")
    with torch.no_grad():
        seen = model.encode_image(torch.rand(2, 3, 64, 64), normalize=True)
        read = model.encode_text(tokenizer(["red paint", "blue paint"]), normalize=True)
    assert seen.shape == read.shape == (2, 256) and bool((seen @ read.T).isfinite().all())


def test_the_callers_random_numbers_and_threads_are_left_as_they_were(tiny_data, tmp_path):
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    threads = torch.get_num_threads()
    tiny_data.train(tmp_path, dataclasses.replace(SETTINGS, epochs=1))
    assert torch.equal(torch.rand(1), expected)
    assert torch.get_num_threads() == threads
    assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.slow
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
    wild = dataclasses.replace(SETTINGS, learning_rate=1.0, grad_clip_norm=0, warmup_percent=0, weight_decay=1e30)
    with pytest.raises(TrainingError, match="no finite number. Lower training.learning_rate"):
        tiny_data.train(tmp_path, wild)
