"""Notices a training that goes nowhere."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator

from clip_pipeline.errors import TrainingError
from clip_pipeline.training.objective.loss import guessing_loss, guessing_text
from clip_pipeline.training.optim.schedule import Schedule

MIN_STEPS_TO_JUDGE = 200
STUCK_SHARE = 0.985
"""A mean loss above this share of ln(batch size) is guessing: 8,000 steps at a rate 100 times too high stay above it."""

MEMORY_WORDS = (
    "out of memory",
    "can't allocate memory",
    # oneDNN tells no reasons, but the same layers have run before, with few pairs, when memory was measured
    "could not create a primitive",
    "could not create a memory",
    "could not execute a primitive",
)


class DivergenceDetector:
    """Keeps the losses of the latest steps and raises TrainingError when they are not finite or do not fall.

    batch_size, loss: of the training, whose level of guessing they decide. learns: false for the control, whose loss is not
    expected to fall.
    """

    def __init__(
        self, schedule: Schedule, batch_size: int, loss: str = "softmax", precision: str = "fp32", learns: bool = True
    ):
        self.schedule, self.batch_size, self.loss = schedule, batch_size, loss
        self.precision, self.learns = precision, learns
        self.losses: list[float] = []
        self._kept = max(50, schedule.steps // 20)
        self._checks = {schedule.steps // 3, schedule.steps - 1}

    def add(self, loss: float, step: int) -> float:
        """Takes in the loss of `step`; returns it."""
        if not math.isfinite(loss):
            raise TrainingError(
                f"The loss at step {step:,} is {loss}, no finite number. Lower training.learning_rate "
                f"(now {self.schedule.peak:g}), lengthen the warmup, training.warmup_percent "
                f"(now {self.schedule.warmup:,} of {self.schedule.steps:,} steps)"
                + (", or set training.precision to fp32." if self.precision != "fp32" else ".")
            )
        self.losses.append(loss)
        del self.losses[: -self._kept]
        if step in self._checks:
            self._check_that_it_fell(step)
        return loss

    def _check_that_it_fell(self, step: int) -> None:
        if not self.learns or step < MIN_STEPS_TO_JUDGE:
            return  # the control is meant to learn nothing, and a handful of steps cannot
        mean = self.recent_mean()
        if mean > STUCK_SHARE * guessing_loss(self.batch_size, self.loss):
            raise TrainingError(
                f"After {step + 1:,} steps the loss is {mean:.3f}, and guessing gives "
                f"{guessing_text(self.batch_size, self.loss)}: nothing was learnt. Try a lower training.learning_rate (now "
                f"{self.schedule.peak:g}), and check that the captions describe their photos."
            )

    def recent_mean(self) -> float:
        """Mean of the latest losses, about a twentieth of the training."""
        return sum(self.losses) / len(self.losses) if self.losses else math.nan

    def mean_of_last(self, count: int) -> float:
        """Mean loss of the last `count` steps, or of as many as are kept."""
        recent = self.losses[-count:] if count else []
        return sum(recent) / len(recent) if recent else math.nan


@contextlib.contextmanager
def memory_explained(batch_size: int, chunk_size: int = 0) -> Iterator[None]:
    """Turns running out of memory into a TrainingError that says what to lower. chunk_size: 0 for the batch at once."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        pairs = chunk_size or batch_size
        smaller = (
            f"Set training.chunk_size to {pairs // 2}: the batch stays {batch_size} pairs and takes a third more time. "
        )
        raise TrainingError(
            f"The memory is not enough for {pairs} pairs at a time. {smaller if pairs > 1 else ''}"
            "training.gradient_checkpointing=true, a lower training.precision and a smaller training.model need less "
            "memory too."
        ) from error


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error is torch's or Python's way to say that memory is used up, on a CPU or a GPU."""
    text = str(error)
    return isinstance(error, MemoryError) or any(words in text for words in MEMORY_WORDS)
