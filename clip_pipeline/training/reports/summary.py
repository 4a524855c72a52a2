"""What training.json says of a finished training; no time in it, so that equal models have equal files."""

from __future__ import annotations

import math
from typing import Any

from clip_pipeline.models.loaded_weights import resized_facts
from clip_pipeline.models.pooled_image_encoder import pooling_of
from clip_pipeline.models.pooled_text_encoder import text_pooling_of_model
from clip_pipeline.training.objective.loss import guessing_loss
from clip_pipeline.training.trainer import Trainer


def summarise(trainer: Trainer) -> dict[str, Any]:
    """Length, losses in nats, scale and sizes of a trained model."""
    model, data, steps = trainer.model, trainer.data, trainer.schedule.steps
    batch_size = data.batches.batch_size
    best = None if math.isinf(trainer.best_loss) else round(trainer.best_loss, 5)
    final = trainer.validation_loss
    return {
        "steps": steps,
        "epochs": round(steps * batch_size / len(data.reader.table), 3),
        "final_train_loss": round(trainer.watch.recent_mean(), 5),
        "final_validation_loss": None if final is None else round(final, 5),
        "best_validation_loss": best,
        "best_step": trainer.best_step or None,
        "published_step": trainer.best_step if trainer.saving.best and best else steps,
        "guessing_loss": round(guessing_loss(batch_size, trainer.train_step.objective.loss), 5),
        "logit_scale": round(float(model.logit_scale.detach().exp()), 4),
        "parameters": sum(p.numel() for p in model.parameters()),
        "image_encoder_parameters": sum(p.numel() for p in model.visual.parameters()),
        "trained_parameters": sum(p.numel() for p in model.parameters() if p.requires_grad),
        **({"token_pooling": pooling.facts()} if (pooling := pooling_of(model)) else {}),
        **resized_facts(model),
        **({"text_token_pooling": of_texts.facts()} if (of_texts := text_pooling_of_model(model)) else {}),
    }
