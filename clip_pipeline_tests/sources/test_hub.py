"""The hub's client where the hub cannot be reached."""

from __future__ import annotations

import logging

import pytest
from huggingface_hub import constants

from clip_pipeline.sources.hub import without_waiting


@pytest.mark.parametrize("answers", [True, False])
def test_the_cache_alone_is_asked_where_the_hub_does_not_answer_and_all_is_as_before_afterwards(monkeypatch, answers):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr("clip_pipeline.sources.hub.is_reachable", lambda address: answers)
    before = logging.getLogger().level
    with pytest.raises(KeyError), without_waiting():
        assert constants.HF_HUB_OFFLINE is not answers
        raise KeyError
    assert constants.HF_HUB_OFFLINE is False and logging.getLogger().level == before
