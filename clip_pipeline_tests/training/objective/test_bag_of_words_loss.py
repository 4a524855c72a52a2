"""Guessing a caption's words from the image."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from clip_pipeline.training.objective.bag_of_words_loss import bag_of_words_loss, make_word_head, token_weights
from clip_pipeline_tests.training.caption_tables import make_caption_table

# 0 padding, 7 start, 8 end; every caption holds 1, no caption holds 4
TOKENS = np.array([[7, 1, 2, 8], [7, 1, 3, 8], [7, 1, 8, 0]], dtype=np.int32)


def test_tokens_that_all_or_none_hold_and_the_special_ones_do_not_count():
    table = make_caption_table([["a red"], ["a blue"], ["a"]], TOKENS)
    assert token_weights(table, 9, (0, 7, 8)).tolist() == [0, 0, 1, 1, 0, 0, 0, 0, 0]


def test_the_loss_by_hand():
    """Scores of nought say one half: ln 2 for each of the two tokens that count."""
    head = make_word_head(3, np.array([0, 0, 1, 1, 0, 0, 0, 0, 0], dtype=np.float32))
    torch.nn.init.zeros_(head.weight)
    torch.nn.init.zeros_(head.bias)
    tokens = torch.from_numpy(TOKENS).long()[:, None]
    assert bag_of_words_loss(head, torch.randn(3, 3), tokens).item() == pytest.approx(2 * math.log(2))
    with torch.no_grad():
        head.bias[2] = 50.0  # sure of token 2, which one caption of three holds
    assert bag_of_words_loss(head, torch.randn(3, 3), tokens).item() == pytest.approx(
        math.log(2) + 50 * 2 / 3, rel=1e-5
    )


def test_of_several_captions_the_share_that_holds_a_token_is_guessed():
    """Two captions of one image, one of which holds token 2: the best guess is one half."""
    head = make_word_head(1, np.array([0, 0, 1, 0, 0, 0, 0, 0, 0], dtype=np.float32))
    torch.nn.init.zeros_(head.weight)
    torch.nn.init.zeros_(head.bias)
    tokens = torch.from_numpy(TOKENS[[0, 1]]).long()[None]
    bag_of_words_loss(head, torch.randn(1, 1), tokens).backward()
    assert head.bias.grad[2].item() == pytest.approx(0.0, abs=1e-7)
