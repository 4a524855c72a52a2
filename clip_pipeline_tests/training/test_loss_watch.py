"""Trainings that go nowhere are noticed."""

from __future__ import annotations

import math

import pytest
import torch

from clip_pipeline.errors import TrainingError
from clip_pipeline.settings import TrainingSettings
from clip_pipeline.training.loss_watch import DivergenceWatch, memory_explained
from clip_pipeline.training.objective.loss import guessing_loss


def feed(settings: TrainingSettings, loss: float, steps: int) -> None:
    watch = DivergenceWatch(settings, steps)
    for step in range(steps):
        watch.add(loss, step, 1e-3)


def test_a_loss_that_stays_at_guessing_is_an_error_after_a_third_of_the_steps():
    settings = TrainingSettings(batch_size=64)
    with pytest.raises(TrainingError, match=r"After 334 steps the loss is 4.159, and guessing gives ln 64 = 4.159"):
        feed(settings, math.log(64), 1000)
    feed(settings, 0.9 * math.log(64), 1000)


def test_a_short_training_and_the_control_may_guess():
    feed(TrainingSettings(batch_size=64), math.log(64), 150)
    feed(TrainingSettings(batch_size=64, shuffle_captions=True), math.log(64), 1000)


def test_a_loss_that_is_no_number_is_an_error_at_once():
    with pytest.raises(TrainingError, match="loss at step 0 is nan.*or set training.precision to fp32"):
        feed(TrainingSettings(precision="bf16"), math.nan, 1)


def test_guessing_with_the_sigmoid_loss_is_noticed_too():
    settings = TrainingSettings(batch_size=64, loss="sigmoid")
    with pytest.raises(TrainingError, match=r"the loss is 5.15\d, and guessing gives the best bias for 64 = 5.15"):
        feed(settings, guessing_loss(settings), 1000)


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("CUDA out of memory. Tried"), "allocate"])
def test_running_out_of_memory_says_what_to_lower(error):
    with (
        pytest.raises(
            TrainingError, match="not enough for 32 pairs at a time. Set training.chunk_size to 16: the batch"
        ),
        memory_explained(TrainingSettings(batch_size=64, chunk_size=32)),
    ):
        if error == "allocate":
            torch.empty(10**15)  # torch's own error on a CPU
        raise error


def test_other_errors_pass_through():
    with pytest.raises(RuntimeError, match="shapes"), memory_explained(TrainingSettings()):
        raise RuntimeError("shapes do not match")
