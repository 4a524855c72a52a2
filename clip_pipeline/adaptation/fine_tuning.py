"""The training of one trial: AdamW on what a method lets learn, validated on the way, the best state kept."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from clip_pipeline.adaptation.classifier import Classifier
from clip_pipeline.adaptation.data import AdaptationData
from clip_pipeline.adaptation.methods import Rates
from clip_pipeline.errors import TrainingError
from clip_pipeline.training.data.augmentation import Augmentation
from clip_pipeline.training.model.precision import autocast
from clip_pipeline.training.optim.optimizer import is_decayed, set_rates
from clip_pipeline.training.optim.schedule import Schedule, count_warmup_steps
from clip_pipeline.training.randomness import ORDER, generator_of

if TYPE_CHECKING:
    import torch

GRAD_CLIP_NORM = 1.0
FINAL_LR_PERCENT = 1.0
"""The learning rate at the end of the cosine, in percent of the peak."""


@dataclass(frozen=True)
class FineTuning:
    """How a trial trains.

    learning_rate: AdamW's peak; head_lr_mult: factor of it for the head. warmup_percent: of the steps. epochs: passes over the
    photos, within min_steps and max_steps. validations: of a training; patience: those without a better accuracy after which it stops.
    """

    learning_rate: float
    augmentation: Augmentation
    head_lr_mult: float = 1.0
    weight_decay: float = 0.05
    warmup_percent: float = 10.0
    epochs: float = 10.0
    min_steps: int = 40
    max_steps: int = 1000
    batch_size: int = 64
    label_smoothing: float = 0.0
    validations: int = 6
    patience: int = 3

    def schedule(self, photos: int) -> Schedule:
        """The steps for so many photos, and their learning rates: a warmup and a cosine."""
        wanted = round(self.epochs * photos / min(self.batch_size, photos))
        steps = min(max(wanted, self.min_steps), max(self.max_steps, 1))
        warmup = count_warmup_steps(steps, self.warmup_percent)
        return Schedule(steps, warmup, self.learning_rate, self.learning_rate * FINAL_LR_PERCENT / 100)


@dataclass(frozen=True)
class FineTuned:
    """log: one row a validation. steps: taken. best_step: whose weights were kept, 0 for those before. learnt: numbers that
    could change, the head included."""

    log: list[dict[str, float]]
    steps: int
    best_step: int
    learnt: int


def batch_rows(rows: np.ndarray, batch_size: int, seed: int, step: int) -> np.ndarray:
    """The photos of a step: a pure function of (seed, step). Each epoch is a random order, its incomplete rest left out."""
    size = min(batch_size, len(rows))
    epoch, place = divmod(step, len(rows) // size)
    return generator_of(seed, ORDER, epoch).permutation(rows)[place * size : (place + 1) * size]


def parameter_groups(
    classifier: Classifier, rates: Rates, head_lr_mult: float, weight_decay: float
) -> list[dict[str, Any]]:
    """AdamW's groups, one a factor of the rate and kind; freezes the parameters of the encoder that are not in `rates`.

    Each group has the factor of its learning rate, `lr_mult`; matrices decay, gains and biases do not.
    """
    named = dict(classifier.visual.named_parameters())
    for name, parameter in named.items():
        parameter.requires_grad_(name in rates)
    groups: dict[tuple[float, bool], list[torch.Tensor]] = {
        (head_lr_mult, True): [classifier.weight_CD],
        (head_lr_mult, False): [classifier.bias_C],
    }
    for name, share in rates.items():
        groups.setdefault((share, is_decayed(name, named[name])), []).append(named[name])
    return [
        {"params": params, "lr_mult": share, "weight_decay": weight_decay if decayed else 0.0}
        for (share, decayed), params in groups.items()
    ]


def fine_tune(
    classifier: Classifier,
    rates: Rates,
    data: AdaptationData,
    rows: np.ndarray,
    tuning: FineTuning,
    seed: int,
    device: str,
    precision: str,
) -> FineTuned:
    """Trains on the photos `rows`; the classifier is left with the weights of the best validation accuracy.

    Running statistics of batch norms stay those of the model: batches of few photos would spoil them, and the trained weights
    can be mixed with those before. Raises TrainingError for a loss that is not finite.
    """
    import torch
    import torch.nn.functional as F

    classifier.visual.eval()
    groups = parameter_groups(classifier, rates, tuning.head_lr_mult, tuning.weight_decay)
    learnt = [parameter for group in groups for parameter in group["params"]]
    optimizer = torch.optim.AdamW(groups, lr=tuning.learning_rate, betas=(0.9, 0.98), eps=1e-6)
    schedule = tuning.schedule(len(rows))
    every = max(1, math.ceil(schedule.steps / tuning.validations))
    validator = Validator(data, device, precision)
    best = validator.score(classifier)
    log = [{"step": 0, "train_loss": math.nan, "learning_rate": math.nan, **best}]
    kept, best_step, waited, losses = _copies(learnt), 0, 0, []
    step = 0
    for step in range(1, schedule.steps + 1):
        chosen = batch_rows(rows, tuning.batch_size, seed, step - 1)
        pixels = data.pixels(_varied(data.images[chosen], tuning.augmentation, seed, step - 1), device)
        labels = torch.from_numpy(data.labels[chosen]).to(device)
        rate = schedule.rate_at(step - 1)
        set_rates([optimizer], rate)
        with autocast(device, precision):
            features = classifier.features(pixels)
        loss = F.cross_entropy(classifier.logits(features), labels, label_smoothing=tuning.label_smoothing)
        losses.append(loss.item())
        if not math.isfinite(losses[-1]):
            raise TrainingError(
                f"The loss of step {step} is {losses[-1]}. Lower adaptation.learning_rate, which is {tuning.learning_rate:g}."
            )
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(learnt, GRAD_CLIP_NORM)
        optimizer.step()
        if step % every == 0 or step == schedule.steps:
            found = validator.score(classifier)
            log.append({"step": step, "train_loss": float(np.mean(losses)), "learning_rate": rate, **found})
            losses = []
            if _order(found) > _order(best):
                best, best_step, waited, kept = found, step, 0, _copies(learnt)
            else:
                waited += 1
            if waited >= tuning.patience:
                break
    with torch.no_grad():
        for parameter, value in zip(learnt, kept, strict=True):
            parameter.copy_(value)
    return FineTuned(log, step, best_step, sum(parameter.numel() for parameter in learnt))


class Validator:
    """Scores a classifier on the validation photos, whose pixels are the same each time."""

    def __init__(self, data: AdaptationData, device: str, precision: str):
        self.data, self.device, self.precision = data, device, precision
        self.rows = data.rows("validation")

    def score(self, classifier: Classifier) -> dict[str, float]:
        """validation_loss in nats, validation_top1 in 0..1."""
        import torch
        import torch.nn.functional as F

        labels = torch.from_numpy(self.data.labels[self.rows]).to(self.device)
        with torch.no_grad():
            logits = classifier.logits(classifier.features_of(self.data, self.rows, self.device, self.precision))
            loss, hits = F.cross_entropy(logits, labels), logits.argmax(1) == labels
        return {"validation_loss": loss.item(), "validation_top1": hits.float().mean().item()}


def _order(found: dict[str, float]) -> tuple[float, float]:
    """More right answers are better; of as many, the lower loss."""
    return found["validation_top1"], -found["validation_loss"]


def _copies(parameters: list[torch.Tensor]) -> list[torch.Tensor]:
    return [parameter.detach().clone() for parameter in parameters]


def _varied(images: np.ndarray, augmentation: Augmentation, seed: int, step: int) -> np.ndarray:
    """(B, H, W, 3): cropped and mirrored copies."""
    drawn = augmentation.draw_images(seed, step, max(2, len(images)))  # a lone image is varied as the first of two
    if drawn is None:
        return images
    varied = np.empty_like(images)
    for place in range(len(images)):
        drawn.apply(place, images[place], varied[place])
    return varied
