"""The model, its optimizers and where they are; one step after another."""

from __future__ import annotations

import hashlib
import logging
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clip_pipeline.errors import TrainingError
from clip_pipeline.machine.progress import progress
from clip_pipeline.pixels.normalise import normalised_images
from clip_pipeline.settings import TrainingSettings
from clip_pipeline.training.checkpoint import load_best, load_state, save_best, save_state
from clip_pipeline.training.data.batches import Batches
from clip_pipeline.training.data.captions import without_words
from clip_pipeline.training.data.loader import Loader, PairReader
from clip_pipeline.training.data.mixup import check_shares, draw_own_share, mixed_images
from clip_pipeline.training.distributed import ONE_PROCESS, Processes
from clip_pipeline.training.loss_watch import DivergenceWatch
from clip_pipeline.training.model.batch_norms import share_batch_norms
from clip_pipeline.training.model.initial_model import make_model, training_mode
from clip_pipeline.training.model.precision import make_scaler
from clip_pipeline.training.objective.bag_of_words_loss import make_word_head, token_weights
from clip_pipeline.training.objective.grad_cache import GradCacheStep
from clip_pipeline.training.optim.optimizer import AveragedWeights, cap_logit_scale, make_optimizers, set_rates
from clip_pipeline.training.optim.schedule import count_steps, learning_rate_at
from clip_pipeline.training.reports.log import LOG_FILE, TrainingLog
from clip_pipeline.training.reports.tensorboard import FOLDER as TENSORBOARD_FOLDER
from clip_pipeline.training.reports.tensorboard import tensorboard_log
from clip_pipeline.training.reports.throughput import Meter
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
    """The model, its optimizers and where they are; `run` takes the remaining steps."""

    def __init__(
        self,
        config: dict[str, Any],
        pairs: PairReader,
        held_out: ValidationSet | None,
        preprocess: dict[str, Any],
        settings: TrainingSettings,
        device: str,
        pad_id: int,
        processes: Processes = ONE_PROCESS,
    ):
        import torch

        self.settings, self.device, self.preprocess, self.pad_id = settings, device, preprocess, pad_id
        self.pairs, self.captions, self.held_out, self.processes = pairs, pairs.table, held_out, processes
        check_shares(settings, processes.count)
        self.kept_ids = (pad_id, int(self.captions.tokens[0, 0]), config["text_cfg"]["eos_id"])
        self.total_steps = count_steps(len(self.captions), settings)
        batches = Batches(self.captions, settings.batch_size, settings.seed, settings.repeat_captions)
        self.loader = Loader(pairs, batches, settings, processes.share(settings.batch_size), self.total_steps)
        self.model = make_model(config, settings, device)
        share_batch_norms(self.model, processes)
        word_head = self._make_word_head(config) if settings.bag_of_words_loss else None
        self.trained = torch.nn.ModuleList([self.model] if word_head is None else [self.model, word_head])
        self.optimizers = make_optimizers(self.trained, settings)
        self.scaler = make_scaler(device, settings.precision)
        self.learner = GradCacheStep(self.model, word_head, settings, device, pad_id, self.scaler, processes)
        self.averaged = AveragedWeights(self.model, settings.ema_decay) if settings.ema_decay else None
        self.watch = DivergenceWatch(settings, self.total_steps)
        self.step = self.log_position = self.logged_step = self.best_step = 0
        self.validation_loss: float | None = None
        self.best_loss = math.inf

    def _make_word_head(self, config: dict[str, Any]) -> torch.nn.Module:
        weights = token_weights(self.captions, config["text_cfg"]["vocab_size"], self.kept_ids)
        return make_word_head(config["embed_dim"], weights).to(self.device)

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
        for optimizer, stored in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(stored)
        if self.scaler is not None:
            self.scaler.load_state_dict(state["scaler"])
        if self.averaged is not None:
            self.averaged.steps = state["averaged_steps"]
        self.watch.losses = state["losses"]
        self.step, self.log_position, self.logged_step = state["step"], state["log_position"], state["logged_step"]
        self.validation_loss = state["validation_loss"]
        self.best_loss, self.best_step = state["best_loss"], state["best_step"]
        logger.info("Going on at step %s of %s", f"{self.step:,}", f"{self.total_steps:,}")

    def save(self, work_folder: Path, plan: str) -> None:
        """Writes the state. The data order, the augmentation and dropout are functions of (seed, step): the step is enough."""
        state = {
            "plan": plan,
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "scaler": self.scaler.state_dict() if self.scaler else {},
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
        save_state(state, weights, work_folder, self.settings.keep_checkpoints)

    def _stored_weights(self) -> dict[str, dict[str, torch.Tensor]]:
        """The tensors of `self`, not copies, by part and name."""
        averaged = self.averaged.weights if self.averaged else {}
        trained = {name: tensor.detach() for name, tensor in self.trained.state_dict().items()}
        return {"trained": trained, "averaged": averaged}

    def published_weights(self) -> dict[str, torch.Tensor]:
        """The averaged weights where there are any, else the model's own."""
        return self.averaged.weights if self.averaged is not None else self.model.state_dict()

    # ---- the steps

    def run(self, work_folder: Path, plan: str, on_row: OnRow = nothing_on_row) -> None:
        """Takes the remaining steps; validates, logs, tells each row and saves the state at their intervals."""
        log = TrainingLog(work_folder / LOG_FILE, self.log_position) if self.processes.first else None
        log_every = max(1, self.total_steps // LOG_ROWS)
        validate_every = max(1, self.total_steps // VALIDATIONS)
        saved = time.monotonic()
        meter = Meter(time.monotonic, self.device)
        first_step = self.step
        training_mode(self.model, self.settings)
        wanted = self.settings.tensorboard and self.processes.first
        with (
            tensorboard_log(work_folder / TENSORBOARD_FOLDER, work_folder / LOG_FILE, wanted) as board,
            progress("Training", total=self.total_steps - first_step, unit="step") as bar,
            self.loader,
        ):
            while self.step < self.total_steps:
                measured = self._take_step(meter)
                self.step += 1
                bar.advance(note=f"loss {measured['train_loss']:.3f}")
                last = self.step == self.total_steps
                if log is None:
                    continue
                validated = self.held_out is not None and (self.step % validate_every == 0 or last)
                if validated:
                    self._validate(work_folder)
                if validated or last or self.step % log_every == 0:
                    measured["train_loss"] = self.watch.mean_of_last(self.step - self.logged_step)
                    pairs = (self.step - max(self.logged_step, first_step)) * self.settings.batch_size
                    row: dict[str, Any] = {
                        "step": self.step,
                        "epoch": self.step * self.settings.batch_size / len(self.captions),
                        "validation_loss": self.validation_loss if validated else None,
                        **meter.row(pairs),
                        **measured,
                    }
                    log.append(**row)
                    if board is not None:
                        board.append(**row)
                    on_row(row)
                    self.logged_step, self.log_position = self.step, log.position
                if not last and self._is_time_to_save(time.monotonic() - saved):
                    self.save(work_folder, plan)
                    saved = time.monotonic()

    def _is_time_to_save(self, seconds: float) -> bool:
        every = self.settings.checkpoint_steps
        return seconds >= self.settings.checkpoint_seconds or bool(every and self.step % every == 0)

    def _validate(self, work_folder: Path) -> None:
        assert self.held_out is not None
        self.validation_loss = self.held_out.loss(self.model, self.averaged, self.device, self.pad_id)
        training_mode(self.model, self.settings)
        if self.validation_loss < self.best_loss:
            self.best_loss, self.best_step = self.validation_loss, self.step
            save_best(self.published_weights(), work_folder)

    def _take_step(self, meter: Meter) -> dict[str, float]:
        """One optimizer step; returns loss, learning rate, logit scale and gradient norm."""
        import torch

        settings, model = self.settings, self.model
        rate = learning_rate_at(self.step, self.total_steps, settings)
        set_rates(self.optimizers, rate, settings)
        with meter.waiting():
            images, tokens, shown = self._batch()
        mixup_weight = draw_own_share(settings, self.step)
        images = mixed_images(images, mixup_weight)
        torch.manual_seed(_seed_of_step(settings.seed, self.step, self.processes.rank))  # for dropout
        scale = model.logit_scale.detach().exp().item()
        for optimizer in self.optimizers:
            optimizer.zero_grad()
        loss = self.watch.add(self.learner.backward(images, tokens, mixup_weight, shown), self.step, rate)
        if self.scaler is not None:
            for optimizer in self.optimizers:
                self.scaler.unscale_(optimizer)
        limit = settings.grad_clip_norm or math.inf
        norm = torch.nn.utils.clip_grad_norm_(self.trained.parameters(), limit)
        for optimizer in self.optimizers:
            if self.scaler is None:
                optimizer.step()
            else:  # leaves out a step whose scaled gradients were too large for fp16
                self.scaler.step(optimizer)
        if self.scaler is not None:
            self.scaler.update()  # and scales less from then on
        cap_logit_scale(model, settings.max_logit_scale)
        if self.averaged is not None:
            self.averaged.update()
        return {"train_loss": loss, "learning_rate": rate, "logit_scale": scale, "gradient_norm": float(norm)}

    def _batch(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """This process's images, tokens, and those that are shown, of the step, on the device."""
        batch = self.loader.batch(self.step)
        tokens = self.captions.tokens[batch.captions]
        shown = without_words(tokens, self.step, self.settings, self.kept_ids, self.loader.share)
        return self._images_on_device(batch.images), self._tokens_on_device(tokens), self._tokens_on_device(shown)

    def pairs_to_measure(self, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Blank images and the longest captions, on the device: something to measure memory with."""
        longest = (self.captions.tokens != self.pad_id).sum(1).argsort()[-count:]
        blank = np.zeros((count, self.pairs.size, self.pairs.size, 3), np.uint8)
        rows = np.repeat(longest[:, None], self.settings.captions_per_photo, axis=1)
        return self._images_on_device(blank), self._tokens_on_device(self.captions.tokens[rows])

    def _images_on_device(self, images: np.ndarray) -> torch.Tensor:
        return normalised_images(images, self.preprocess["mean"], self.preprocess["std"], self.device)

    def _tokens_on_device(self, tokens: np.ndarray) -> torch.Tensor:
        import torch

        return torch.from_numpy(tokens).long().to(self.device)

    # ---- the end

    def load_published_weights(self, work_folder: Path) -> None:
        """Puts the weights that are published into the model: the last, the averaged, or those of the best validation."""
        if self.settings.export_weights == "best" and self.best_step:
            self.model.load_state_dict(load_best(work_folder))
        elif self.averaged is not None:
            self.model.load_state_dict(self.averaged.weights)
        weights = (tensor for tensor in self.model.state_dict().values() if tensor.is_floating_point())
        if not all(bool(tensor.isfinite().all()) for tensor in weights):
            raise TrainingError(
                "The trained weights hold values that are not finite numbers. Lower training.learning_rate "
                f"(now {self.settings.learning_rate:g}) or set training.precision to fp32."
            )


def _seed_of_step(seed: int, step: int, rank: int) -> int:
    text = f"{seed} {step}" if rank == 0 else f"{seed} {step} {rank}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "big")
