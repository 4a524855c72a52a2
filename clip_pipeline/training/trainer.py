"""The model, its optimizers and where they are; one step after another."""

from __future__ import annotations

import hashlib
import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clip_pipeline.errors import TrainingError
from clip_pipeline.machine.interrupts import deferred_interrupt
from clip_pipeline.machine.progress import progress
from clip_pipeline.models.registry import ClipModel
from clip_pipeline.pixels.normalise import normalised_images
from clip_pipeline.training.checkpoint import Saving, load_best, load_state, save_best, save_state
from clip_pipeline.training.data.loader import Loader
from clip_pipeline.training.data.mixup import mixed_images
from clip_pipeline.training.loss_watch import DivergenceDetector
from clip_pipeline.training.model.freezing import training_mode
from clip_pipeline.training.objective.grad_cache import GradCacheStep
from clip_pipeline.training.optim.optimizer import AveragedWeights, ClipOptimizer
from clip_pipeline.training.optim.schedule import Schedule
from clip_pipeline.training.reports.log import LOG_FILE, TrainingLog
from clip_pipeline.training.reports.tensorboard import FOLDER as TENSORBOARD_FOLDER
from clip_pipeline.training.reports.tensorboard import tensorboard_log
from clip_pipeline.training.reports.throughput import Throughput
from clip_pipeline.training.validation import ValidationSet

if TYPE_CHECKING:
    import torch

logger = logging.getLogger(__name__)

LOG_ROWS = 400
VALIDATIONS = 10
OnRow = Callable[[Mapping[str, Any]], None]


def nothing_on_row(row: Mapping[str, Any]) -> None:
    """For a training that nobody looks at."""


class Trainer:
    """A training and where it is; `run` takes the remaining steps.

    train_step: the model and how its gradient is taken. data: the batches. mean, std: of the three colours, by which images are
    normalised. held_out: what is validated on. averaged: the moving average of the weights, where it is the one to publish.
    """

    def __init__(
        self,
        train_step: GradCacheStep,
        data: Loader,
        optimizer: ClipOptimizer,
        schedule: Schedule,
        watch: DivergenceDetector,
        saving: Saving,
        mean: Sequence[float],
        std: Sequence[float],
        held_out: ValidationSet | None = None,
        averaged: AveragedWeights | None = None,
    ):
        self.train_step, self.data, self.optimizer, self.schedule = train_step, data, optimizer, schedule
        self.watch, self.saving, self.mean, self.std = watch, saving, mean, std
        self.held_out, self.averaged = held_out, averaged
        self.step = self.log_position = self.logged_step = self.best_step = 0
        self.validation_loss: float | None = None
        self.best_loss = math.inf

    @property
    def model(self) -> ClipModel:
        """What is trained."""
        return self.train_step.model

    # ---- the state

    def resume(self, work_folder: Path, plan: str) -> None:
        """Goes on from the saved state of this very training, where there is one."""
        found = load_state(work_folder, plan)
        if found is None:
            return
        state, weights = found
        for part, into in self._stored_weights().items():
            for name, tensor in into.items():
                tensor.copy_(weights[f"{part}.{name}"])
        self.optimizer.load_state_dict(state)
        if self.averaged is not None:
            self.averaged.steps = state["averaged_steps"]
        self.watch.losses = state["losses"]
        self.step, self.log_position, self.logged_step = state["step"], state["log_position"], state["logged_step"]
        self.validation_loss = state["validation_loss"]
        self.best_loss, self.best_step = state["best_loss"], state["best_step"]
        logger.info("Going on at step %s of %s", f"{self.step:,}", f"{self.schedule.steps:,}")

    def save(self, work_folder: Path, plan: str) -> None:
        """Writes the state. The data order, the augmentation and dropout are functions of (seed, step): the step is enough."""
        state = {
            "plan": plan,
            **self.optimizer.state_dict(),
            "averaged_steps": self.averaged.steps if self.averaged else 0,
            "losses": self.watch.losses,
            "step": self.step,
            "log_position": self.log_position,
            "logged_step": self.logged_step,
            "validation_loss": self.validation_loss,
            "best_loss": self.best_loss,
            "best_step": self.best_step,
        }
        parts = self._stored_weights().items()
        weights = {f"{part}.{name}": tensor for part, tensors in parts for name, tensor in tensors.items()}
        save_state(state, weights, work_folder, self.saving.keep)

    def _stored_weights(self) -> dict[str, dict[str, torch.Tensor]]:
        """The tensors of `self`, not copies, by part and name."""
        averaged = self.averaged.weights if self.averaged else {}
        trained = {name: tensor.detach() for name, tensor in self.optimizer.trained.state_dict().items()}
        return {"trained": trained, "averaged": averaged}

    def published_weights(self) -> dict[str, torch.Tensor]:
        """The averaged weights where there are any, else the model's own."""
        return self.averaged.weights if self.averaged is not None else self.model.state_dict()

    # ---- the steps

    def run(self, work_folder: Path, plan: str, on_row: OnRow = nothing_on_row) -> None:
        """Takes the remaining steps; validates, logs, tells each row and saves the state at their intervals.

        Ctrl-C saves the state after the step that it comes in; then KeyboardInterrupt is raised.
        """
        first, total, batch_size = self.train_step.processes.first, self.schedule.steps, self.data.batches.batch_size
        log = TrainingLog(work_folder / LOG_FILE, self.log_position) if first else None
        log_every = max(1, total // LOG_ROWS)
        validate_every = max(1, total // VALIDATIONS)
        saved = time.monotonic()
        throughput = Throughput(time.monotonic, self.train_step.device)
        first_step = self.step
        training_mode(self.model, self.train_step.frozen, self.train_step.keeps_statistics)
        wanted = self.saving.tensorboard and first
        with (
            tensorboard_log(work_folder / TENSORBOARD_FOLDER, work_folder / LOG_FILE, wanted) as board,
            progress("Training", total=total - first_step, unit="step") as bar,
            self.data,
            # processes that wait for each other's gradients cannot each stop after a step of their own
            deferred_interrupt() if self.train_step.processes.count == 1 else nullcontext(lambda: False) as interrupted,
        ):
            while self.step < total:
                measured = self._take_step(throughput)
                self.step += 1
                bar.advance(note=f"loss {measured['train_loss']:.3f}")
                last = self.step == total
                if log is None:
                    continue
                validated = self.held_out is not None and (self.step % validate_every == 0 or last)
                if validated:
                    self._validate(work_folder)
                if validated or last or self.step % log_every == 0:
                    measured["train_loss"] = self.watch.mean_of_last(self.step - self.logged_step)
                    pairs = (self.step - max(self.logged_step, first_step)) * batch_size
                    row: dict[str, Any] = {
                        "step": self.step,
                        "epoch": self.step * batch_size / len(self.data.reader.table),
                        "validation_loss": self.validation_loss if validated else None,
                        **throughput.row(pairs),
                        **measured,
                    }
                    log.append(**row)
                    if board is not None:
                        board.append(**row)
                    on_row(row)
                    self.logged_step, self.log_position = self.step, log.position
                stopped = interrupted()
                if stopped or (not last and self.saving.is_due(self.step, time.monotonic() - saved)):
                    self.save(work_folder, plan)
                    saved = time.monotonic()
                if stopped:
                    logger.info("Stopped after step %s of %s; its state is saved", f"{self.step:,}", f"{total:,}")
                    break

    def _validate(self, work_folder: Path) -> None:
        assert self.held_out is not None
        self.validation_loss = self.held_out.loss(self.model, self.averaged, self.train_step.device)
        training_mode(self.model, self.train_step.frozen, self.train_step.keeps_statistics)
        if self.validation_loss < self.best_loss:
            self.best_loss, self.best_step = self.validation_loss, self.step
            save_best(self.published_weights(), work_folder)

    def _take_step(self, throughput: Throughput) -> dict[str, float]:
        """One optimizer step; returns loss, learning rate, logit scale and gradient norm."""
        import torch

        rate = self.schedule.rate_at(self.step)
        with throughput.waiting():
            batch = self.data.batch(self.step)
            images = self._images_on_device(batch.images)
            tokens, shown = self._tokens_on_device(batch.tokens), self._tokens_on_device(batch.shown)
        images = mixed_images(images, batch.mixup_weight)
        rank = self.train_step.processes.rank
        torch.manual_seed(_seed_of_step(self.data.batches.seed, self.step, rank))  # for dropout
        scale = self.model.logit_scale.detach().exp().item()
        self.optimizer.zero_grad()
        loss = self.watch.add(self.train_step.backward(images, tokens, batch.mixup_weight, shown), self.step)
        norm = self.optimizer.step(rate)
        if self.averaged is not None:
            self.averaged.update()
        return {"train_loss": loss, "learning_rate": rate, "logit_scale": scale, "gradient_norm": norm}

    def pairs_to_measure(self, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Blank images and the longest captions, on the device: something to measure memory with."""
        blank = np.zeros((count, *self.data.reader.shape, 3), np.uint8)
        return self._images_on_device(blank), self._tokens_on_device(self.data.longest_captions(count))

    def _images_on_device(self, images: np.ndarray) -> torch.Tensor:
        return normalised_images(images, self.mean, self.std, self.train_step.device)

    def _tokens_on_device(self, tokens: np.ndarray) -> torch.Tensor:
        import torch

        return torch.from_numpy(tokens).long().to(self.train_step.device)

    # ---- the end

    def load_published_weights(self, work_folder: Path) -> None:
        """Puts the weights that are published into the model: the last, the averaged, or those of the best validation."""
        if self.saving.best and self.best_step:
            self.model.load_state_dict(load_best(work_folder))
        elif self.averaged is not None:
            self.model.load_state_dict(self.averaged.weights)
        weights = (tensor for tensor in self.model.state_dict().values() if tensor.is_floating_point())
        if not all(bool(tensor.isfinite().all()) for tensor in weights):
            raise TrainingError(
                "The trained weights hold values that are not finite numbers. Lower training.learning_rate "
                f"(now {self.schedule.peak:g}) or set training.precision to fp32."
            )


def _seed_of_step(seed: int, step: int, rank: int) -> int:
    text = f"{seed} {step}" if rank == 0 else f"{seed} {step} {rank}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "big")
