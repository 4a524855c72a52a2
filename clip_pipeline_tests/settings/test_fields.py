"""What is known of every setting."""

from __future__ import annotations

import dataclasses

import pytest

from clip_pipeline.errors import SettingsError
from clip_pipeline.settings import SECTIONS
from clip_pipeline.settings.fields import fields_of, find_field


def test_a_section_is_described_field_by_field_as_it_is_declared():
    device, workers, threads = fields_of("compute")
    assert (device.full_name, device.type, device.default) == ("compute.device", str, "auto")
    assert device.choices == ("auto", "cpu", "cuda", "mps") and device.limits == "One of auto, cpu, cuda, mps."
    assert (workers.type, workers.low, workers.high, workers.speed) == (int, 0, 256, True)
    assert workers.limits == threads.limits == "From 0 to 256."


def test_every_setting_has_one_plain_type_and_a_default_of_it():
    for section, made in SECTIONS.items():
        assert [field.name for field in fields_of(section)] == [spec.name for spec in dataclasses.fields(made)]
        for field in fields_of(section):
            assert field.type in (bool, int, float, str), field.full_name
            assert field.default == getattr(made(), field.name)


def test_bounds_are_said_in_words():
    assert find_field("words.min_count").limits == "At least 0."
    assert find_field("wikipedia.date").limits == ""


def test_an_unknown_name_names_the_nearest():
    with pytest.raises(SettingsError, match='no stage "trainign". Did you mean "training"'):
        fields_of("trainign")
    with pytest.raises(SettingsError, match='no setting "training.epohcs". Did you mean "training.epochs"'):
        find_field("training.epohcs")
