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
from clip_pipeline.settings import AdaptationSettings, TrainingSettings
from clip_pipeline.training.data.augmentation import draw_augmentation
from clip_pipeline.training.model.precision import autocast
from clip_pipeline.training.optim.optimizer import is_decayed
from clip_pipeline.training.optim.schedule import learning_rate_at
from clip_pipeline.training.randomness import ORDER, generator_of

if TYPE_CHECKING:
    import torch

CLIP_NORM = 1.0


@dataclass(frozen=True)
class FineTuned:
    """log: one row a validation. steps: taken. best_step: whose weights were kept, 0 for those before. learnt: numbers that
    could change, the head included."""

    log: list[dict[str, float]]
    steps: int
    best_step: int
    learnt: int


def count_steps(photos: int, settings: AdaptationSettings) -> int:
    """Steps for so many photos: the epochs, within min_steps and max_steps."""
    wanted = round(settings.epochs * photos / min(settings.batch_size, photos))
    return min(max(wanted, settings.min_steps), max(settings.max_steps, 1))


def batch_rows(rows: np.ndarray, batch_size: int, seed: int, step: int) -> np.ndarray:
    """The photos of a step: a pure function of (seed, step). Each epoch is a random order, its incomplete rest left out."""
    size = min(batch_size, len(rows))
    epoch, place = divmod(step, len(rows) // size)
    return generator_of(seed, ORDER, epoch).permutation(rows)[place * size : (place + 1) * size]


def parameter_groups(classifier: Classifier, rates: Rates, settings: AdaptationSettings) -> list[dict[str, Any]]:
    """AdamW's groups, one a share of the rate and kind; freezes the parameters of the encoder that are not in `rates`.

    Each group has its `share` of the learning rate; the head's is the setting `head_lr_mult`.
    """
    named = dict(classifier.visual.named_parameters())
    for name, parameter in named.items():
        parameter.requires_grad_(name in rates)
    groups: dict[tuple[float, bool], list[torch.Tensor]] = {
        (settings.head_lr_mult, True): [classifier.weight_CD],
        (settings.head_lr_mult, False): [classifier.bias_C],
    }
    for name, share in rates.items():
        groups.setdefault((share, is_decayed(name, named[name])), []).append(named[name])
    return [
        {"params": params, "share": share, "weight_decay": settings.weight_decay if decayed else 0.0}
        for (share, decayed), params in groups.items()
    ]


def fine_tune(
    classifier: Classifier,
    rates: Rates,
    data: AdaptationData,
    rows: np.ndarray,
    settings: AdaptationSettings,
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
    groups = parameter_groups(classifier, rates, settings)
    learnt = [parameter for group in groups for parameter in group["params"]]
    optimizer = torch.optim.AdamW(groups, lr=settings.learning_rate, betas=(0.9, 0.98), eps=1e-6)
    total, schedule = count_steps(len(rows), settings), _schedule(settings, seed, len(rows))
    every = max(1, math.ceil(total / settings.validations))
    validator = Validator(data, device, precision)
    best = validator.score(classifier)
    log = [{"step": 0, "train_loss": math.nan, "learning_rate": math.nan, **best}]
    kept, best_step, waited, losses = _copies(learnt), 0, 0, []
    step = 0
    for step in range(1, total + 1):
        chosen = batch_rows(rows, settings.batch_size, seed, step - 1)
        pixels = data.pixels(_varied(data.images[chosen], schedule, step - 1), device)
        labels = torch.from_numpy(data.labels[chosen]).to(device)
        rate = learning_rate_at(step - 1, total, schedule)
        for group in optimizer.param_groups:
            group["lr"] = rate * group["share"]
        with autocast(device, precision):
            features = classifier.features(pixels)
        loss = F.cross_entropy(classifier.logits(features), labels, label_smoothing=settings.label_smoothing)
        losses.append(loss.item())
        if not math.isfinite(losses[-1]):
            raise TrainingError(
                f"The loss of step {step} is {losses[-1]}. Lower adaptation.learning_rate, which is {settings.learning_rate:g}."
            )
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(learnt, CLIP_NORM)
        optimizer.step()
        if step % every == 0 or step == total:
            found = validator.score(classifier)
            log.append({"step": step, "train_loss": float(np.mean(losses)), "learning_rate": rate, **found})
            losses = []
            if _order(found) > _order(best):
                best, best_step, waited, kept = found, step, 0, _copies(learnt)
            else:
                waited += 1
            if waited >= settings.patience:
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


def _schedule(settings: AdaptationSettings, seed: int, photos: int) -> TrainingSettings:
    """The same in the words of a training, whose schedule and augmentation of images are used."""
    return TrainingSettings(
        learning_rate=settings.learning_rate,
        warmup_percent=settings.warmup_percent,
        crop_scale=settings.crop_scale,
        flip=settings.flip,
        batch_size=max(2, min(settings.batch_size, photos)),
        seed=seed,
    )


def _varied(images: np.ndarray, schedule: TrainingSettings, step: int) -> np.ndarray:
    """(B, S, S, 3): cropped and mirrored copies."""
    augmentation = draw_augmentation(schedule, step)
    if augmentation is None:
        return images
    varied = np.empty_like(images)
    for place in range(len(images)):
        augmentation.apply(place, images[place], varied[place])
    return varied
