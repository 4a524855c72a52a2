"""Limits of settings, and what stays out of fingerprints."""

from __future__ import annotations

import dataclasses

import pytest

from clip_pipeline.errors import SettingsError
from clip_pipeline.settings import SECTIONS, Recipe, fingerprinted, with_settings


def test_every_setting_has_help():
    for section in SECTIONS.values():
        for spec in dataclasses.fields(section):
            assert spec.metadata["help"].endswith("."), f"{section.__name__}.{spec.name}"


def test_a_value_outside_its_limits_is_named_as_it_is_set():
    """The section's name in the message is the one that --set takes."""
    for name, section in SECTIONS.items():
        limited = [spec for spec in dataclasses.fields(section) if spec.metadata["low"] is not None]
        for spec in limited:
            with pytest.raises(SettingsError, match=rf"^{name}\.{spec.name} is .*, the least that works is"):
                section(**{spec.name: spec.metadata["low"] - 1})


def test_settings_of_speed_stay_out_of_fingerprints():
    slow, fast = (
        with_settings(Recipe(), ["download.connections=1"]),
        with_settings(Recipe(), ["download.connections=99"]),
    )
    assert fingerprinted(slow.download) == fingerprinted(fast.download)
    assert fingerprinted(slow.compute) == {}
    assert "image_size" in fingerprinted(slow.download)
