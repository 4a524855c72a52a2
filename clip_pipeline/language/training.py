"""The training of a language model: the next characters of stretches drawn from a text. A killed one goes on to the same bytes.

What a step sees, and what chance does in it, are functions of (seed, step); states are saved as those of other trainings are
(`training/checkpoint.py`).
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from clip_pipeline.errors import InputError, SettingsError, TrainingError
from clip_pipeline.language.bits import bits_of_characters
from clip_pipeline.language.model import NONE, ModelForm, build_model, training_loss
from clip_pipeline.language.scoring import log_probabilities_of
from clip_pipeline.machine.interrupts import deferred_interrupt
from clip_pipeline.machine.progress import progress
from clip_pipeline.pooling.predictors import UNIGRAM, WHITESPACE
from clip_pipeline.pooling.rates import rising_target
from clip_pipeline.training.checkpoint import Saving, load_state, save_state
from clip_pipeline.training.model.precision import autocast, reproducible_arithmetic
from clip_pipeline.training.optim.optimizer import OptimizerOptions, make_optimizers, set_rates
from clip_pipeline.training.optim.schedule import Schedule
from clip_pipeline.training.randomness import ORDER, generator_of
from clip_pipeline.training.reports.log import LOG_FILE, TrainingLog

if TYPE_CHECKING:
    pass

logger = logging.getLogger(__name__)

LOG_ROWS, VALIDATIONS = 200, 10
COLUMNS = (
    *("step", "train_bits", "boundary_loss", "target", "boundary_share", "shortened", "validation_bits"),
    *("learning_rate", "gradient_norm", "processor_seconds", "seconds"),
)


@dataclass(frozen=True)
class LanguageTraining:
    """How a model is trained.

    steps of `batch` stretches of `context` characters. raise_percent: of the steps over which the target of tokens a segment rises. rate_loss, rate_weight: of
    kinds whose rate a loss holds. validation_characters: scored at ten moments, 0 for none. precision: fp32 or bf16.
    """

    steps: int
    batch: int = 8
    context: int = 512
    learning_rate: float = 3e-3
    warmup_percent: float = 5.0
    final_percent: float = 10.0
    weight_decay: float = 0.1
    grad_clip_norm: float = 1.0
    rate_loss: str = "ratio"
    rate_weight: float = 0.03
    raise_percent: float = 10.0
    validation_characters: int = 0
    precision: str = "fp32"
    seed: int = 0


@dataclass(frozen=True)
class Corpus:
    """Characters as ids. targets: of the training text, where `unigram` is to put boundaries."""

    train: np.ndarray
    validation: np.ndarray
    targets: np.ndarray | None = None

    def require(self, form: ModelForm, training: LanguageTraining) -> None:
        """Raises InputError or SettingsError where a training of this form cannot be made of this text."""
        if len(self.train) < training.context + 1:
            raise InputError(
                f"The training text has {len(self.train):,} characters, and a stretch needs {training.context + 1:,}. Give a longer one, or lower the context."
            )
        if form.kind == WHITESPACE and not (self.train == form.space).any():
            raise InputError(
                "The training text has no spaces, and whitespace pooling puts its boundaries there: it would be one segment. Take "
                "another kind of pooling."
            )
        if form.kind == UNIGRAM and self.targets is None:
            raise SettingsError("Boundaries of unigram pieces are learnt from targets, and none are given.")

    def batch(self, training: LanguageTraining, step: int) -> tuple[np.ndarray, np.ndarray | None]:
        """(B, context + 1) ids of a step, and (B, context) targets."""
        starts = generator_of(training.seed, ORDER, step).integers(
            0, len(self.train) - training.context, training.batch
        )
        places = starts[:, None] + np.arange(training.context + 1)
        targets = None if self.targets is None else self.targets[places[:, :-1]]
        return self.train[places].astype(np.int64), targets


class LanguageTrainer:
    """A training and where it is. spent: seconds of processor time of its steps, on all cores, also before it went on. Attention is torch's fused kernel, which at 512 characters takes half of the plain one's time on a CPU."""

    def __init__(
        self,
        form: ModelForm,
        training: LanguageTraining,
        corpus: Corpus,
        device: str = "cpu",
        saving: Saving | None = None,
    ):
        import torch

        corpus.require(form, training)
        self.form, self.training, self.corpus, self.device = form, training, corpus, device
        self.saving = saving or Saving()
        torch.manual_seed(training.seed)
        self.model = build_model(form).to(device)
        peak = training.learning_rate
        warmup = round(training.steps * training.warmup_percent / 100)
        self.schedule = Schedule(training.steps, warmup, peak, peak * training.final_percent / 100)
        options = OptimizerOptions(lr=peak, betas=(0.9, 0.98), eps=1e-8, weight_decay=training.weight_decay)
        self.optimizers = make_optimizers(self.model, options)
        self.step = self.log_position = 0
        self.spent = 0.0

    @property
    def plan(self) -> str:
        """What decides the weights, as a hash: a state of another training is of no use."""
        texts = [hashlib.sha256(self.corpus.train.tobytes()).hexdigest()]
        if self.corpus.targets is not None:
            texts.append(hashlib.sha256(self.corpus.targets.tobytes()).hexdigest())
        whole = [dataclasses.asdict(self.form), dataclasses.asdict(self.training), texts]
        return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()

    def run(self, work_folder: Path) -> None:
        """Takes the remaining steps, going on from a saved state of this very training. Ctrl-C saves the state after the step that it comes in."""
        work_folder.mkdir(parents=True, exist_ok=True)
        plan = self.plan
        self._resume(work_folder, plan)
        steps = self.training.steps
        log = TrainingLog(work_folder / LOG_FILE, self.log_position, COLUMNS)
        log_every, validate_every = max(1, steps // LOG_ROWS), max(1, steps // VALIDATIONS)
        began = saved = time.monotonic()
        self.model.train()
        with progress("Training", total=steps - self.step, unit="step") as bar, deferred_interrupt() as interrupted:
            while self.step < steps:
                before = time.process_time()
                row = self._take_step()
                self.spent += time.process_time() - before
                self.step += 1
                bar.advance(note=f"{row['train_bits']:.3f} bits")
                last = self.step == steps
                validated = self.step % validate_every == 0 or last
                if validated or self.step % log_every == 0:
                    bits = self.validation_bits() if validated else None
                    clocks = {"processor_seconds": self.spent, "seconds": time.monotonic() - began}
                    log.append(step=self.step, validation_bits=bits, **row, **clocks)
                    self.log_position = log.position
                stopped = interrupted()
                if stopped or (not last and self.saving.is_due(self.step, time.monotonic() - saved)):
                    self._save(work_folder, plan)
                    saved = time.monotonic()
                if stopped:
                    logger.info("Stopped after step %s of %s; its state is saved", f"{self.step:,}", f"{steps:,}")
                    break
        self._require_finite()

    def step_seconds(self, count: int) -> list[float]:
        """Processor seconds of each of the next steps; for a trainer that is thrown away afterwards."""
        self.model.train()
        seconds = []
        for _ in range(count):
            before = time.process_time()
            self._take_step()
            self.step += 1
            seconds.append(time.process_time() - before)
        return seconds

    def validation_bits(self) -> float | None:
        """Bits per character of the beginning of the validation text, half of each window new; None where none is asked for."""
        count = self.training.validation_characters
        if not count:
            return None
        ids, window = self.corpus.validation[:count], self.training.context
        return float(bits_of_characters(log_probabilities_of(self.model), ids, window, max(1, window // 2)).mean())

    def _take_step(self) -> dict[str, float]:
        import torch

        rate, training = self.schedule.rate_at(self.step), self.training
        target = (
            self.form.target
            if self.form.kind == NONE
            else rising_target(self.step, training.steps, self.form.target, training.raise_percent)
        )
        ids_BL, targets_BL = self.corpus.batch(training, self.step)
        tokens_BL = torch.from_numpy(ids_BL).to(self.device)
        torch.manual_seed(_seed_of_step(training.seed, self.step))  # for dropout and gumbel's samples
        set_rates(self.optimizers, rate)
        for optimizer in self.optimizers:
            optimizer.zero_grad()
        with autocast(self.device.partition(":")[0], training.precision):
            prediction = self.model(tokens_BL[:, :-1])
        given = None if targets_BL is None else torch.from_numpy(targets_BL).to(self.device)
        loss, parts = training_loss(
            prediction, tokens_BL[:, 1:], self.form, target, training.rate_loss, training.rate_weight, given
        )
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), training.grad_clip_norm or math.inf)
        for optimizer in self.optimizers:
            optimizer.step()
        bits, value = float(parts["characters"]) / math.log(2), float(loss.detach())
        if not math.isfinite(value):
            raise TrainingError(
                f"The loss at step {self.step:,} is {value}, no finite number. Lower language.learning_rate (now {training.learning_rate:g})."
            )
        row = {"train_bits": bits, "learning_rate": rate, "gradient_norm": float(norm)}
        if prediction.boundaries is not None:
            share = float(prediction.boundaries.hard_BL.float().mean())
            row |= {"target": target, "boundary_share": share, "shortened": prediction.shortened}
        if "boundaries" in parts:
            row["boundary_loss"] = float(parts["boundaries"])
        return row

    def _save(self, work_folder: Path, plan: str) -> None:
        optimizers = [optimizer.state_dict() for optimizer in self.optimizers]
        state = {
            "plan": plan,
            "step": self.step,
            "log_position": self.log_position,
            "spent": self.spent,
            "optimizers": optimizers,
        }
        save_state(state, self.model.state_dict(), work_folder, self.saving.keep)

    def _resume(self, work_folder: Path, plan: str) -> None:
        found = load_state(work_folder, plan)
        if found is None:
            return
        state, weights = found
        self.model.load_state_dict(weights)
        for optimizer, stored in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(stored)
        self.step, self.log_position, self.spent = state["step"], state["log_position"], state["spent"]
        logger.info("Going on at step %s of %s", f"{self.step:,}", f"{self.training.steps:,}")

    def _require_finite(self) -> None:
        if not all(bool(tensor.isfinite().all()) for tensor in self.model.state_dict().values()):
            raise TrainingError(
                f"The trained weights hold values that are not finite numbers. Lower language.learning_rate (now {self.training.learning_rate:g})."
            )


@contextmanager
def language_arithmetic(seed: int, device: str, threads: int) -> Iterator[None]:
    """Threads and kernels fixed as for other trainings, but with torch's fused attention, which those leave out for their short texts."""
    from torch.nn.attention import SDPBackend, sdpa_kernel

    fused = sdpa_kernel([SDPBackend.FLASH_ATTENTION, SDPBackend.MATH]) if device == "cpu" else nullcontext()
    with reproducible_arithmetic(seed, device, threads), fused:
        yield


def _seed_of_step(seed: int, step: int) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed} {step}".encode()).digest()[:7], "big")
