"""The model, its optimizer and where they are; one step after another."""

from __future__ import annotations

import hashlib
import logging
import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clip_pipeline.errors import TrainingError
from clip_pipeline.models.registry import build_model
from clip_pipeline.progress import progress
from clip_pipeline.recipes import TrainingSettings, fingerprinted
from clip_pipeline.training.arithmetic import autocast, encode_captions
from clip_pipeline.training.batches import Batches, CaptionTable, varied_pictures
from clip_pipeline.training.checkpoint import load_state, save_state
from clip_pipeline.training.log import LOG_FILE, TrainingLog
from clip_pipeline.training.loss import clip_loss
from clip_pipeline.training.optimizer import AveragedWeights, cap_logit_scale, make_optimizer
from clip_pipeline.training.schedule import count_steps, learning_rate_at
from clip_pipeline.training.validation import ValidationSet
from clip_pipeline.training.watch import LossWatch
from clip_pipeline.training.word_guess import make_word_head, token_weights, word_loss

if TYPE_CHECKING:
    import numpy as np
    import torch

logger = logging.getLogger(__name__)

LOG_ROWS = 400
VALIDATIONS = 10


class Trainer:
    """The model, its optimizer and where they are; `run` takes the remaining steps."""

    def __init__(
        self,
        config: dict[str, Any],
        captions: CaptionTable,
        pictures: np.ndarray,
        held_out: ValidationSet | None,
        preprocess: dict[str, Any],
        settings: TrainingSettings,
        device: str,
        pad_id: int,
    ):
        import torch

        self.settings, self.device, self.preprocess, self.pad_id = settings, device, preprocess, pad_id
        self.captions, self.pictures, self.held_out = captions, pictures, held_out
        self.batches = Batches(captions, settings.batch_size, settings.seed)
        self.total_steps = count_steps(len(captions), settings)
        self.model = build_model(config).to(device)
        self.model.visual.to(memory_format=torch.channels_last)
        self.word_head = self._make_word_head(config) if settings.word_loss else None
        self.trained = torch.nn.ModuleList([self.model] if self.word_head is None else [self.model, self.word_head])
        self.optimizer = make_optimizer(self.trained, settings)
        self.averaged = AveragedWeights(self.model, settings.ema_decay) if settings.ema_decay else None
        self.watch = LossWatch(settings, self.total_steps)
        self.step = 0
        self.validation_loss: float | None = None
        self.log_position = self.logged_step = 0

    def _make_word_head(self, config: dict[str, Any]) -> torch.nn.Module:
        specials = (self.pad_id, self.captions.tokens[0, 0], config["text_cfg"]["eos_id"])
        weights = token_weights(self.captions, config["text_cfg"]["vocab_size"], specials)
        return make_word_head(config["embed_dim"], weights).to(self.device)

    def resume(self, work_folder: Path, plan: str) -> None:
        """Goes on from the saved state of this very training, where there is one."""
        state = load_state(work_folder, plan)
        if state is None:
            return
        self.trained.load_state_dict(state["trained"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.averaged is not None:
            self.averaged.steps = state["averaged_steps"]
            for name, tensor in state["averaged"].items():
                self.averaged.weights[name].copy_(tensor)
        self.watch.losses = state["losses"]
        self.step, self.log_position, self.logged_step = state["step"], state["log_position"], state["logged_step"]
        self.validation_loss = state["validation_loss"]
        logger.info("Going on at step %s of %s", f"{self.step:,}", f"{self.total_steps:,}")

    def _state(self, plan: str) -> dict[str, Any]:
        return {
            "plan": plan,
            "trained": self.trained.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "averaged": self.averaged.weights if self.averaged else {},
            "averaged_steps": self.averaged.steps if self.averaged else 0,
            "losses": self.watch.losses,
            "step": self.step,
            "log_position": self.log_position,
            "logged_step": self.logged_step,
            "validation_loss": self.validation_loss,
        }

    def run(self, work_folder: Path, plan: str) -> None:
        """Takes the remaining steps; validates, logs and saves the state at their intervals."""
        log = TrainingLog(work_folder / LOG_FILE, self.log_position)
        log_every = max(1, self.total_steps // LOG_ROWS)
        validate_every = max(1, self.total_steps // VALIDATIONS)
        started = saved = logged = time.monotonic()
        first_step = self.step
        with progress("Training", total=self.total_steps - first_step, unit="step") as bar:
            while self.step < self.total_steps:
                measured = self._take_step()
                self.step += 1
                bar.advance(note=f"loss {measured['train_loss']:.3f}")
                last = self.step == self.total_steps
                validated = False
                if self.held_out is not None and (self.step % validate_every == 0 or last):
                    validated = True
                    self.validation_loss = self.held_out.loss(self.model, self.averaged, self.device, self.pad_id)
                if validated or last or self.step % log_every == 0:
                    now = time.monotonic()
                    measured["train_loss"] = self.watch.mean_of_last(self.step - self.logged_step)
                    log.append(
                        step=self.step,
                        epoch=self.step * self.settings.batch_size / len(self.captions),
                        validation_loss=self.validation_loss if validated else None,
                        pairs_per_second=(self.step - max(self.logged_step, first_step))
                        * self.settings.batch_size
                        / max(now - logged, 1e-9),
                        seconds=now - started,
                        **measured,
                    )
                    logged, self.logged_step, self.log_position = now, self.step, log.position
                if time.monotonic() - saved >= self.settings.checkpoint_seconds and not last:
                    save_state(self._state(plan), work_folder)
                    saved = time.monotonic()

    def _take_step(self) -> dict[str, float]:
        """One optimizer step; returns loss, learning rate, logit scale and gradient norm."""
        import torch

        settings, model = self.settings, self.model
        rate = learning_rate_at(self.step, self.total_steps, settings)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        photo_rows, caption_rows = self.batches.pairs(self.step)
        mean, std = self.preprocess["mean"], self.preprocess["std"]
        pictures = varied_pictures(self.pictures[photo_rows], self.step, settings, mean, std).to(self.device)
        tokens = torch.from_numpy(self.captions.tokens[caption_rows]).long().to(self.device)
        torch.manual_seed(_seed_of_step(settings.seed, self.step))  # for dropout, where a model has any
        model.train()
        with autocast(self.device, settings.precision):
            features_ND = model.encode_image(pictures).float()
            caption_ND = encode_captions(model, tokens, self.pad_id)
        scale = model.logit_scale.exp()
        loss = clip_loss(
            torch.nn.functional.normalize(features_ND, dim=-1), caption_ND, scale, settings.label_smoothing
        )
        loss_value = self.watch.add(loss.item(), self.step, rate)
        if self.word_head is not None:
            loss = loss + settings.word_loss * word_loss(self.word_head, features_ND, tokens)
        self.optimizer.zero_grad()
        loss.backward()
        limit = settings.clip_norm or math.inf
        norm = torch.nn.utils.clip_grad_norm_(self.trained.parameters(), limit)
        self.optimizer.step()
        cap_logit_scale(model)
        if self.averaged is not None:
            self.averaged.update(model)
        return {
            "train_loss": loss_value,
            "learning_rate": rate,
            "logit_scale": scale.item(),
            "gradient_norm": float(norm),
        }

    def load_published_weights(self) -> None:
        """Puts the averaged weights, where there are any, into the model."""
        if self.averaged is not None:
            self.model.load_state_dict(self.averaged.weights)
        weights = (tensor for tensor in self.model.state_dict().values() if tensor.is_floating_point())
        if not all(bool(tensor.isfinite().all()) for tensor in weights):
            raise TrainingError(
                "The trained weights hold values that are not finite numbers. Lower training.learning_rate "
                f"(now {self.settings.learning_rate:g}) or set training.precision to fp32."
            )

    def summary(self) -> dict[str, Any]:
        """What training.json says; no time in it, so that equal models have equal files."""
        towers = {"picture": self.model.visual, "all": self.model}
        counted = {name: sum(p.numel() for p in tower.parameters()) for name, tower in towers.items()}
        return {
            "settings": fingerprinted(self.settings),
            "steps": self.total_steps,
            "epochs": round(self.total_steps * self.settings.batch_size / len(self.captions), 3),
            "final_train_loss": round(self.watch.recent_mean(), 5),
            "final_validation_loss": None if self.validation_loss is None else round(self.validation_loss, 5),
            "guessing_loss": round(math.log(self.settings.batch_size), 5),
            "logit_scale": round(float(self.model.logit_scale.detach().exp()), 4),
            "parameters": counted["all"],
            "picture_tower_parameters": counted["picture"],
        }


def _seed_of_step(seed: int, step: int) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed} {step}".encode()).digest()[:7], "big")
