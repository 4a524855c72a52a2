"""An old name is answered with the new one, wherever it is given."""

from __future__ import annotations

import json
import sys

import pytest

from clip_pipeline.cli import program
from clip_pipeline.errors import SettingsError
from clip_pipeline.settings import SECTIONS, Recipe, with_settings
from clip_pipeline.settings.fields import find_field
from clip_pipeline.version import CHOICES, OPTIONS, SETTINGS


@pytest.mark.parametrize(("old", "new"), [(old, renamed.now) for old, renamed in SETTINGS.items()])
def test_every_old_setting_is_answered_with_one_that_exists(old, new):
    sentence = rf"^{old} was renamed {new} in 0\.2\. Write the new name\.$"
    with pytest.raises(SettingsError, match=sentence):
        with_settings(Recipe(), [f"{old}=1"])
    section, _, name = old.partition(".")
    with pytest.raises(SettingsError, match=sentence):
        SECTIONS[section](**{name: 1})
    assert find_field(new).full_name == new


@pytest.mark.parametrize(("setting", "old"), list(CHOICES))
def test_every_old_value_is_answered_with_one_that_exists(setting, old):
    new = CHOICES[setting, old].now
    with pytest.raises(SettingsError, match=rf"{setting}={old} was renamed {setting}={new} in 0\.2"):
        with_settings(Recipe(), [f"{setting}={old}"])
    with_settings(Recipe(), [f"{setting}={new}"])


def test_an_old_option_of_a_command_is_answered_with_one_that_exists(capsys, monkeypatch):
    for (command, old), renamed in OPTIONS.items():
        monkeypatch.setattr(sys, "argv", ["clip-pipeline", command, old, "x"])
        with pytest.raises(SystemExit) as ended:
            program.main()
        assert ended.value.code == 2
        assert f"{command} {old} was renamed {renamed.now} in 0.2. Write the new name." in capsys.readouterr().err
        assert renamed.now in [name for option in program.commands.commands[command].params for name in option.opts]


def test_no_old_name_is_the_name_of_something_else():
    for old in SETTINGS:
        section, _, name = old.partition(".")
        assert name not in SECTIONS[section].__dataclass_fields__


def test_a_plan_of_before_names_the_setting_that_is_called_otherwise(tmp_path):
    plan = tmp_path / "plan.json"
    plan.write_text(json.dumps({"settings": {"training.word_loss": 3.0}}))
    with pytest.raises(
        SettingsError, match=r"The plan .*plan.json: training.word_loss was renamed training.bag_of_words_loss"
    ):
        with_settings(Recipe(), [f"training.plan={plan}"])
