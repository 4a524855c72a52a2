"""Looks at a running training: often at first, seldom later, never part of the model."""

from __future__ import annotations

import dataclasses

import pytest

from clip_pipeline.training.reports.live_plot import SHOWN, LiveView
from clip_pipeline.training.reports.log import TrainingLog
from clip_pipeline_tests.training.conftest import SETTINGS


class Clock:
    """Seconds, set by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_looks_are_due_at_longer_and_longer_intervals(tmp_path, monkeypatch):
    clock, seen = Clock(), []
    view = LiveView(tmp_path / "log.csv", lambda numbers, _: seen.append(numbers["step"]), "tiny", 8, clock=clock)
    monkeypatch.setattr(view, "_image", lambda: b"")
    for clock.now in range(24 * 3600):
        view({"step": clock.now, "epoch": 0.0, "train_loss": 1.0})
    assert seen[:4] == [20, 60, 140, 300], "twenty seconds, then always twice as long"
    assert {late - early for early, late in zip(seen[8:], seen[9:], strict=False)} == {3600}
    assert len(seen) == 30


@pytest.mark.slow
def test_the_image_of_a_long_and_noisy_training_stays_small(tmp_path):
    log = TrainingLog(tmp_path / "log.csv")
    for step in range(1, 500):
        log.append(
            step=step, train_loss=4 + step % 7 / 3, validation_loss=4.0, learning_rate=1 / step, logit_scale=14.0
        )
    image = LiveView(log.path, print, "tiny", 8)._image()
    assert image[:4] == b"\x89PNG" and len(image) < 60_000


@pytest.mark.slow
def test_a_training_hands_over_its_numbers_and_its_image(tiny_data, tmp_path):
    shown, clock = [], Clock()
    view = LiveView(tmp_path / "work" / "train_log.csv", lambda *look: shown.append(look), "tiny", 8, clock=clock)

    def on_row(row):
        clock.now += 15
        view(row)

    tiny_data.train(tmp_path, dataclasses.replace(SETTINGS, steps=12), on_row=on_row)
    assert [numbers["step"] for numbers, _ in shown] == [2, 5, 11]
    numbers, image = shown[1]
    assert set(numbers) <= {"step", "epoch", *SHOWN} and numbers["validation_loss"] > 0
    assert image[:4] == b"\x89PNG" and len(image) < 100_000
