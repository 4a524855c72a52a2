"""Every model of the package can learn: at tiny widths, with its own layers and heads, it learns one fixed batch by heart."""

from __future__ import annotations

import pytest
import torch

from clip_pipeline.models.registry import build_model
from clip_pipeline.training.objective.loss import clip_loss
from clip_pipeline_tests.models.zoo import TABLE, TOKENS, VOCABULARY, scaled_down

PAIRS, MAX_STEPS, RATE = 8, 300, 3e-3
NEAR_ZERO = 0.02
"""In nats; guessing among eight pairs costs ln 8 = 2.08."""


@pytest.mark.slow
@pytest.mark.parametrize("name", TABLE)
def test_one_batch_is_learned_by_heart(name):
    torch.manual_seed(0)
    config = scaled_down(name)
    model = build_model(config).train()
    size = config["vision_cfg"]["image_size"]
    images = torch.randn(PAIRS, 3, size, size)
    texts = torch.randint(1, VOCABULARY - 1, (PAIRS, TOKENS))
    texts[:, -1] = VOCABULARY - 1  # the end token, where open_clip takes a text's features
    optimizer = torch.optim.AdamW(model.parameters(), RATE, betas=(0.9, 0.98), weight_decay=0.0)
    for step in range(MAX_STEPS):
        for group in optimizer.param_groups:
            group["lr"] = RATE * min(1.0, (step + 1) / 10)
        loss = clip_loss(
            model.encode_image(images, normalize=True),
            model.encode_text(texts, normalize=True),
            model.logit_scale.exp(),
        )
        if loss.item() < NEAR_ZERO:
            return
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    pytest.fail(f"{name} is at {loss.item():.3f} nats after {MAX_STEPS} steps")
