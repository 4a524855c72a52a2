"""The environment variables that say what a process works on."""

from __future__ import annotations

from pathlib import Path

import pytest

from clip_pipeline.errors import SettingsError
from clip_pipeline.settings.environment import data_folder, environment_of, starting_recipe
from clip_pipeline.settings.recipes import find_recipe


def test_without_them_it_is_the_sandbox_in_the_folder_data(monkeypatch):
    assert (starting_recipe(), data_folder()) == (find_recipe("sandbox"), Path("data"))
    for name in ("RECIPE", "SETTINGS", "DATA"):
        monkeypatch.setenv(f"CLIP_PIPELINE_{name}", "")
    assert (starting_recipe(), data_folder()) == (find_recipe("sandbox"), Path("data"))


def test_what_is_handed_to_another_process_is_understood_there_in_any_folder(monkeypatch, tmp_path):
    (tmp_path / "mine.toml").write_text('recipe = "tiny"\n[words]\nmin_count = 40\n')
    monkeypatch.chdir(tmp_path)
    handed = environment_of("mine.toml", ["words.min_length=3", "links.path=a b"], "own data")
    monkeypatch.chdir("/")
    for name, value in handed.items():
        monkeypatch.setenv(name, value)
    recipe = starting_recipe()
    assert (recipe.name, recipe.words.min_count, recipe.words.min_length) == ("mine", 40, 3)
    assert (recipe.links.path, data_folder()) == ("a b", tmp_path / "own data")


def test_a_setting_that_the_variable_cannot_hold_is_a_sentence():
    with pytest.raises(SettingsError, match='"links.path=a;b" holds a ";", .* Write it into a profile'):
        environment_of("tiny", ["links.path=a;b"], "data")
