"""The contrastive loss, against open_clip's and against sums done by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from clip_pipeline.errors import ShapeError
from clip_pipeline.training.objective.loss import clip_loss, guessing_loss, sigmoid_loss


def random_pairs(count: int = 12, width: int = 8):
    generator = torch.Generator().manual_seed(0)
    draw = lambda: F.normalize(torch.randn(count, width, generator=generator), dim=-1)  # noqa: E731
    return draw(), draw()


@pytest.mark.parametrize(("count", "width"), [(2, 4), (12, 8), (97, 512)])
@pytest.mark.parametrize("scale", [1.0, 14.3, 100.0])
def test_it_equals_open_clips_loss_and_gradients(count, width, scale):
    from clip_pipeline.models.torchvision_operators import define_missing_operators

    define_missing_operators()
    from open_clip.loss import ClipLoss

    results = []
    for loss_of in (clip_loss, ClipLoss()):
        images, captions = (rows.double().requires_grad_() for rows in random_pairs(count, width))
        log_scale = torch.tensor(math.log(scale), dtype=torch.float64, requires_grad=True)
        loss = loss_of(images, captions, log_scale.exp())
        loss.backward()
        results.append((loss.detach(), images.grad, captions.grad, log_scale.grad))
    for ours, theirs in zip(*results, strict=True):
        assert torch.allclose(ours, theirs, rtol=0, atol=1e-6)
    single = (rows.float() for rows in random_pairs(count, width))
    assert abs(float(clip_loss(*single, scale) - results[1][0])) < 1e-5, "in single precision"


def test_equal_embeddings_everywhere_give_ln_n():
    same = F.normalize(torch.ones(7, 4), dim=-1)
    assert float(clip_loss(same, same, 10.0)) == pytest.approx(math.log(7), abs=1e-6)


def test_two_pairs_by_hand():
    """Perfect matches at right angles: each row is softmax of (scale, 0)."""
    unit = torch.eye(2)
    assert float(clip_loss(unit, unit, 3.0)) == pytest.approx(math.log(1 + math.exp(-3)), abs=1e-6)
    smoothed = 0.9 * math.log(1 + math.exp(-3)) + 0.1 * 0.5 * (math.log(1 + math.exp(-3)) + math.log(1 + math.exp(3)))
    assert float(clip_loss(unit, unit, 3.0, label_smoothing=0.1)) == pytest.approx(smoothed, abs=1e-6)


def test_the_temperature_is_learned():
    images, captions = random_pairs()
    scale = torch.tensor(2.0, requires_grad=True)
    clip_loss(images, captions, scale.exp()).backward()
    assert scale.grad is not None and float(scale.grad) != 0


def test_batches_of_different_length_get_a_sentence():
    images, captions = random_pairs()
    with pytest.raises(ShapeError, match=r"\(12, 8\).*\(11, 8\)"):
        clip_loss(images, captions[:-1], 1.0)


def test_the_sigmoid_loss_equals_open_clips_and_numpys():
    from clip_pipeline.models.torchvision_operators import define_missing_operators

    define_missing_operators()
    from open_clip.loss import SigLipLoss

    images, captions = random_pairs()
    for scale, bias in ((10.0, -10.0), (1.0, 0.0), (50.0, -3.5)):
        ours = float(sigmoid_loss(images, captions, torch.tensor(scale), torch.tensor(bias)))
        theirs = SigLipLoss()(images, captions, torch.tensor(scale), torch.tensor(bias))
        logits = scale * images.double().numpy() @ captions.double().numpy().T + bias
        signs = 2 * np.eye(len(logits)) - 1
        by_hand = np.log1p(np.exp(-signs * logits)).sum() / len(logits)
        assert ours == pytest.approx(float(theirs), rel=1e-6) == pytest.approx(by_hand, rel=1e-6)


def test_guessing_is_the_lowest_loss_of_embeddings_that_are_all_equal():
    same = F.normalize(torch.ones(16, 4), dim=-1)
    assert guessing_loss(16) == pytest.approx(float(clip_loss(same, same, 5.0)), abs=1e-6)
    lowest = min(float(sigmoid_loss(same, same, 0.0, bias)) for bias in torch.linspace(-6, 2, 801))
    assert guessing_loss(16, "sigmoid") == pytest.approx(lowest, abs=1e-4)


def test_scale_and_bias_of_the_sigmoid_loss_are_learned():
    images, captions = random_pairs()
    scale, bias = torch.tensor(2.0, requires_grad=True), torch.tensor(-10.0, requires_grad=True)
    sigmoid_loss(images, captions, scale.exp(), bias).backward()
    assert float(scale.grad) != 0 and float(bias.grad) != 0
