"""Images laid over one another, and the loss of such a batch."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from clip_pipeline.errors import SettingsError
from clip_pipeline.training.data.mixup import check_circles, draw_mixup_weight, mixed_images, next_ones
from clip_pipeline_tests.training.objective.test_grad_cache import (
    SETTINGS,
    assert_equal_gradients,
    gradients,
    random_batch,
    train_step_of,
)


def test_each_row_is_followed_by_the_next_in_circles_of_four():
    assert next_ones(torch.arange(8)).tolist() == [1, 2, 3, 0, 5, 6, 7, 4]
    assert next_ones(torch.arange(7)).tolist() == [1, 2, 3, 0, 5, 6, 4]
    assert next_ones(torch.arange(10).view(5, 2)).tolist() == [[2, 3], [4, 5], [6, 7], [0, 1], [8, 9]]


def test_a_mixed_image_is_the_weighted_mean_of_its_own_and_the_next():
    images = torch.tensor([0.0, 1.0, 5.0]).view(3, 1, 1, 1)
    assert mixed_images(images, 0.75).flatten().tolist() == [0.25, 2.0, 3.75]
    assert mixed_images(images, 1.0) is images


def test_the_share_is_a_function_of_seed_and_step_and_one_without_mixing():
    shares = [draw_mixup_weight(0, step, 0.2) for step in range(200)]
    assert shares == [draw_mixup_weight(0, step, 0.2) for step in range(200)]
    assert shares[0] != draw_mixup_weight(1, 0, 0.2)
    assert 0.4 < sum(shares) / 200 < 0.6 and min(shares) >= 0 and max(shares) <= 1
    assert draw_mixup_weight(0, 3, 0.0) == 1.0


def test_processes_must_hold_whole_circles():
    check_circles(0.2, 12, 1)
    check_circles(0.2, 16, 2)
    check_circles(0.0, 12, 2)
    with pytest.raises(SettingsError, match="each of 2 processes has 6 of the 12 .* Set training.batch_size to 16"):
        check_circles(0.2, 12, 2)


@pytest.mark.parametrize("loss", ["softmax", "sigmoid"])
def test_the_loss_of_mixed_images_is_that_of_targets_of_both_captions(loss):
    """Against targets written out: image i is `mixup_weight` caption i and the rest the next one's."""
    train_step = train_step_of(dataclasses.replace(SETTINGS, loss=loss, bag_of_words_loss=0.0))
    train_step = dataclasses.replace(train_step, word_head=None)
    images, tokens = random_batch(train_step, 4)
    features, captions = train_step.features(images, tokens)
    ours, _ = train_step.losses(features, captions, tokens, 0.7)
    logits = train_step.model.logit_scale.exp() * torch.nn.functional.normalize(features, dim=-1) @ captions[:, 0].T
    eye = torch.eye(4)
    targets = 0.7 * eye + 0.3 * eye[[1, 2, 3, 0]]
    if loss == "softmax":
        over_captions = -(targets * logits.log_softmax(1)).sum(1).mean()
        over_images = -(targets.T * logits.T.log_softmax(1)).sum(1).mean()
        expected = (over_captions + over_images) / 2
    else:
        logits = logits + train_step.model.logit_bias
        expected = torch.nn.functional.binary_cross_entropy_with_logits(logits, targets, reduction="none").sum() / 4
    assert ours.item() == pytest.approx(expected.item(), rel=1e-5)


def test_in_chunks_the_gradient_of_mixed_images_is_the_same():
    whole, chunked = train_step_of(SETTINGS), train_step_of(dataclasses.replace(SETTINGS, chunk_size=5))
    batch = random_batch(whole, captions=2)
    assert chunked.backward(*batch, 0.6) == pytest.approx(whole.backward(*batch, 0.6), abs=1e-5)
    assert_equal_gradients(gradients(chunked), gradients(whole))
