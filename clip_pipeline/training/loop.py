"""Training a CLIP from scratch on pairs, resumable at any moment."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import math
import shutil
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clip_pipeline.errors import TrainingError
from clip_pipeline.models.folder import preprocess_config, save_model_folder
from clip_pipeline.models.registry import build_model, context_length_of, image_size_of, load_config, with_tokenizer
from clip_pipeline.progress import progress
from clip_pipeline.recipes import ComputeSettings, TrainingSettings, fingerprinted
from clip_pipeline.text.tokenizer import load_tokenizer
from clip_pipeline.training.arithmetic import (
    autocast,
    choose_device,
    count_threads,
    encode_captions,
    reproducible_arithmetic,
)
from clip_pipeline.training.batches import Batches, CaptionTable, shuffled_captions, varied_captions, varied_pictures
from clip_pipeline.training.checkpoint import load_state, remove_state, save_state
from clip_pipeline.training.data import check_enough_photos, hash_data, read_split
from clip_pipeline.training.log import TrainingLog, plot_log, read_log
from clip_pipeline.training.loss import clip_loss
from clip_pipeline.training.optimizer import AveragedWeights, cap_logit_scale, make_optimizer
from clip_pipeline.training.pictures import decode_pictures
from clip_pipeline.training.schedule import count_steps, learning_rate_at
from clip_pipeline.training.validation import ValidationSet
from clip_pipeline.training.watch import LossWatch
from clip_pipeline.training.word_guess import make_word_head, token_weights, word_loss

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    import torch

logger = logging.getLogger(__name__)

LOG_ROWS = 400
VALIDATIONS = 10
LOG_FILE, PLOT_FILE, SUMMARY_FILE = "train_log.csv", "loss.png", "training.json"


def train_clip(
    pairs: pa.Table,
    photos: Iterable[tuple[str, bytes]],
    tokenizer_folder: Path,
    settings: TrainingSettings,
    compute: ComputeSettings,
    work_folder: Path,
    folder: Path,
) -> dict[str, Any]:
    """Trains on the `train` split and writes the model folder, `train_log.csv`, `loss.png` and `training.json`.

    pairs: records.IMAGE_TEXT_PAIRS. photos: (photo_id, JPEG bytes) of at least the train and validation photos, in any
    order; read only when `work_folder` does not hold their pictures yet.
    work_folder: kept between runs; holds the decoded pictures and the state from which a killed run goes on. With the
    same threads on the same machine, the resumed model has the same bytes as that of an undisturbed run.
    Returns what `training.json` says and the seconds spent. Raises TrainingError when there are too few photos or the
    loss does not fall, ModelError for an unknown model.
    """
    began = time.monotonic()
    config = load_config(settings.model)
    tokenizer = load_tokenizer(tokenizer_folder)
    config = with_tokenizer(config, tokenizer.vocab_size, tokenizer.pad_id, tokenizer.end_id)
    training, validation = read_split(pairs, "train"), read_split(pairs, "validation")
    check_enough_photos(training, settings.batch_size)
    work_folder.mkdir(parents=True, exist_ok=True)
    folder.mkdir(parents=True, exist_ok=True)

    preprocess = preprocess_config(config)
    pictures = decode_pictures(
        photos,
        [*training.photo_ids, *validation.photo_ids],
        image_size_of(config),
        preprocess["resize_mode"],
        work_folder,
        compute.workers,
    )
    length = context_length_of(config)
    captions = training.table(tokenizer, length)
    if settings.shuffle_captions:
        captions = shuffled_captions(captions, settings.seed)
    held_out = None
    if len(validation):
        held_out = ValidationSet(pictures[len(training) :], validation.table(tokenizer, length), settings, preprocess)
    device, threads = choose_device(compute.device), count_threads(compute)
    # another thread count or device would finish with other bytes than an undisturbed run
    plan_parts = [fingerprinted(settings), config, hash_data(training, validation, tokenizer_folder=tokenizer_folder)]
    plan = hashlib.sha256(json.dumps([*plan_parts, device, threads], sort_keys=True).encode()).hexdigest()
    with reproducible_arithmetic(settings.seed, device, threads):
        trainer = _Trainer(config, captions, pictures, held_out, preprocess, settings, device, tokenizer.pad_id)
        trainer.resume(work_folder, plan)
        prepared = time.monotonic() - began
        trainer.run(work_folder, plan)
        trainer.load_published_weights()
    save_model_folder(trainer.model, config, preprocess, tokenizer_folder, folder)
    summary = trainer.summary() | {"training_photos": len(training), "validation_photos": len(validation)}
    (folder / SUMMARY_FILE).write_text(json.dumps(summary, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    shutil.copyfile(work_folder / LOG_FILE, folder / LOG_FILE)
    plot_log(read_log(folder / LOG_FILE), folder / PLOT_FILE, settings.batch_size, f"Training {settings.model}")
    remove_state(work_folder)
    total = time.monotonic() - began
    return summary | {"preparation_seconds": round(prepared, 1), "seconds": round(total, 1), "device": device}


class _Trainer:
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
        self.batches = Batches(captions, settings.batch_size, settings.seed, settings.similar_group)
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
        with progress("Training", total=self.total_steps, unit="step") as bar:
            bar.advance(self.step)
            while self.step < self.total_steps:
                measured = self._take_step()
                self.step += 1
                bar.advance(note=f"loss {measured['train_loss']:.3f}")
                last = self.step == self.total_steps
                validated = self.held_out is not None and (self.step % validate_every == 0 or last)
                if validated:
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
        texts = varied_captions(self.captions.tokens[caption_rows], self.step, settings, self.pad_id)
        tokens = torch.from_numpy(texts).long().to(self.device)
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
            "settings": dataclasses.asdict(self.settings),
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
