"""Trainings that go nowhere are noticed."""

from __future__ import annotations

import math

import pytest
import torch

from clip_pipeline.errors import TrainingError
from clip_pipeline.training.loss_watch import DivergenceDetector, memory_explained
from clip_pipeline.training.objective.loss import guessing_loss
from clip_pipeline.training.optim.schedule import Schedule


def feed(value: float, steps: int, **options) -> None:
    watch = DivergenceDetector(Schedule(steps, warmup=steps // 20, peak=1e-3, final=0.0), 64, **options)
    for step in range(steps):
        watch.add(value, step)


def test_a_loss_that_stays_at_guessing_is_an_error_after_a_third_of_the_steps():
    with pytest.raises(TrainingError, match=r"After 334 steps the loss is 4.159, and guessing gives ln 64 = 4.159"):
        feed(math.log(64), 1000)
    feed(0.9 * math.log(64), 1000)


def test_a_short_training_and_the_control_may_guess():
    feed(math.log(64), 150)
    feed(math.log(64), 1000, learns=False)


def test_a_loss_that_is_no_number_is_an_error_at_once():
    with pytest.raises(TrainingError, match="loss at step 0 is nan.*or set training.precision to fp32"):
        feed(math.nan, 1, precision="bf16")


def test_guessing_with_the_sigmoid_loss_is_noticed_too():
    with pytest.raises(TrainingError, match=r"the loss is 5.15\d, and guessing gives the best bias for 64 = 5.15"):
        feed(guessing_loss(64, "sigmoid"), 1000, loss="sigmoid")


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("CUDA out of memory. Tried"), "allocate"])
def test_running_out_of_memory_says_what_to_lower(error):
    with (
        pytest.raises(
            TrainingError, match="not enough for 32 pairs at a time. Set training.chunk_size to 16: the batch"
        ),
        memory_explained(64, 32),
    ):
        if error == "allocate":
            torch.empty(10**15)  # torch's own error on a CPU
        raise error


def test_other_errors_pass_through():
    with pytest.raises(RuntimeError, match="shapes"), memory_explained(256):
        raise RuntimeError("shapes do not match")
