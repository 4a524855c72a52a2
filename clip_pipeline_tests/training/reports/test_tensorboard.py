"""The log as TensorBoard reads it."""

from __future__ import annotations

import dataclasses
import sys

import pytest

from clip_pipeline.errors import SettingsError
from clip_pipeline.training.reports.log import TrainingLog, read_log
from clip_pipeline.training.reports.tensorboard import tensorboard_log
from clip_pipeline_tests.training.conftest import SETTINGS


def scalars(folder) -> dict[str, list[tuple[int, float]]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder))
    events.Reload()
    return {tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


@pytest.mark.slow
def test_tensorboard_reads_the_rows_of_the_log(tiny_data, tmp_path):
    pytest.importorskip("tensorboard")
    tiny_data.train(tmp_path, dataclasses.replace(SETTINGS, epochs=2, tensorboard=True))
    log = read_log(tmp_path / "model" / "train_log.csv")
    read = scalars(tmp_path / "model" / "tensorboard")
    steps, losses = zip(*read["training/train_loss"], strict=True)
    assert list(steps) == log["step"] and losses == pytest.approx(log["train_loss"], rel=1e-5)
    assert len(read["training/validation_loss"]) == sum(loss == loss for loss in log["validation_loss"])


def test_a_resumed_training_repeats_no_step(tmp_path):
    pytest.importorskip("tensorboard")
    log = TrainingLog(tmp_path / "log.csv")
    log.append(step=1, train_loss=4.0)
    with tensorboard_log(tmp_path / "board", log.path, True) as board:
        board.append(step=2, train_loss=3.0)  # and here it is killed before the state is saved
    log.append(step=2, train_loss=3.5)
    with tensorboard_log(tmp_path / "board", log.path, True) as board:
        board.append(step=3, train_loss=2.0)
    assert scalars(tmp_path / "board")["training/train_loss"] == [(1, 4.0), (2, 3.5), (3, 2.0)]


def test_without_the_package_a_sentence_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    log = TrainingLog(tmp_path / "log.csv")
    with (
        pytest.raises(SettingsError, match=r"Install it with `pip install clip_pipeline\[tensorboard\]`"),
        tensorboard_log(tmp_path / "board", log.path, True),
    ):
        pass
    with tensorboard_log(tmp_path / "board", log.path, False) as board:
        assert board is None
