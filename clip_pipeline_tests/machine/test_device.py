"""The device that does the arithmetic."""

from __future__ import annotations

import pytest
import torch

from clip_pipeline.errors import SettingsError
from clip_pipeline.machine.device import choose_device


@pytest.fixture
def machine(monkeypatch):
    """Pretends that torch finds these kinds of device."""

    def has(*kinds: str) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: "cuda" in kinds)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: "mps" in kinds)

    return has


@pytest.mark.parametrize(
    ("kinds", "best"), [((), "cpu"), (("cuda",), "cuda"), (("mps",), "mps"), (("cuda", "mps"), "cuda")]
)
def test_auto_is_the_best_there_is(machine, kinds, best):
    machine(*kinds)
    assert choose_device("auto") == best
    assert choose_device("cpu") == "cpu"


def test_one_of_several_devices_may_be_named(machine):
    machine("cuda")
    assert choose_device("cuda:1") == "cuda:1"


def test_a_device_that_is_not_there_gets_a_sentence(machine):
    machine()
    with pytest.raises(
        SettingsError, match="The device cuda was asked for, and torch finds none here. Use cpu or auto."
    ):
        choose_device("cuda")


def test_an_unknown_device_gets_the_nearest_name():
    with pytest.raises(SettingsError, match='no device "cdua".*cuda'):
        choose_device("cdua")
