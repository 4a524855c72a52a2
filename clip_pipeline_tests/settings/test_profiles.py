"""Profiles: what a file changes of its recipe, and what is said where it is wrong."""

from __future__ import annotations

from dataclasses import replace

import pytest

from clip_pipeline.errors import SettingsError
from clip_pipeline.pipeline.asset_settings import settings_version
from clip_pipeline.settings.chosen_recipe import recipe_of
from clip_pipeline.settings.definitions import MAX_FILE_BYTES
from clip_pipeline.settings.recipes import find_recipe

MINE = """
recipe = "laptop"
about = "Our own photos."

[words]
min_count = 50

[training]
epochs = 20          # a whole number where a number is wanted
flip = false
model = "tiny_test"
"""


def write(folder, text: str) -> str:
    path = folder / "mine.toml"
    path.write_text(text)
    return str(path)


def test_a_profile_is_its_recipe_with_what_the_file_says_and_set_on_top(tmp_path):
    laptop, mine = find_recipe("laptop"), recipe_of(write(tmp_path, MINE), ["words.min_count=60"])
    assert (mine.name, mine.about) == ("mine", "Our own photos.")
    assert mine.words == replace(laptop.words, min_count=60)
    assert mine.training == replace(laptop.training, epochs=20.0, flip=False, model="tiny_test")
    assert mine.links == laptop.links


def test_a_plan_of_the_training_comes_before_the_other_settings_of_the_file(tmp_path):
    planned = recipe_of("workstation", ["training.plan=coco_rn50_1", "training.epochs=3"])
    text = 'recipe = "workstation"\n[training]\nepochs = 3\nplan = "coco_rn50_1"\n'
    assert recipe_of(write(tmp_path, text)).training == planned.training


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[words]\nmin_count = 5\n", 'mine.toml lacks the line recipe = "laptop". Known: sandbox, tiny, laptop'),
        ('recipe = "laptob"', """has recipe = 'laptob'; expected one such as recipe = "laptop". Did you mean"""),
        ('recipe = "tiny"\n[word]\nmin_count = 5\n', 'mine.toml has the unknown key "word". Did you mean "words"?'),
        ('recipe = "tiny"\nmin_count = 5\n', 'mine.toml has the unknown key "min_count"'),
        ('recipe = "tiny"\nwords = 5\n', r"mine.toml: words is 5, expected a section: \[words\]"),
        ('recipe = "tiny"\n[words]\nmin_cuont = 5\n', 'mine.toml: There is no setting "words.min_cuont". Did you mean'),
        ('recipe = "tiny"\n[words]\nmin_count = "5"\n', 'mine.toml: words.min_count is "5", expected a whole number'),
        ('recipe = "tiny"\n[words]\nmin_count = true\n', "mine.toml: words.min_count is true, expected a whole number"),
        ('recipe = "tiny"\n[training]\nflip = 1\n', "mine.toml: training.flip is 1, expected true or false"),
        ('recipe = "tiny"\n[training]\nmodel = 1.5\n', "mine.toml: training.model is 1.5, expected a text in quotes"),
        ('recipe = "tiny"\n[compute]\nworkers = -1\n', "mine.toml: compute.workers is -1, the least that works is 0"),
        ('recipe = "tiny"\n[training]\nclip_norm = 1.0\n', "mine.toml: training.clip_norm was renamed"),
        ('recipe = "tiny"\nabout = 5\n', "has about = 5, expected a sentence"),
        ('recipe "tiny"', "mine.toml is no TOML: .* line 1"),
        ("#" * (MAX_FILE_BYTES + 1), "mine.toml is larger than 64 kB"),
    ],
)
def test_what_is_wrong_in_a_profile_is_a_sentence_with_its_file_and_its_key(tmp_path, text, sentence):
    with pytest.raises(SettingsError, match=sentence):
        recipe_of(write(tmp_path, text))


def test_a_profile_that_is_not_there_or_no_file_is_a_sentence(tmp_path):
    with pytest.raises(SettingsError, match="none.toml cannot be read: No such file"):
        recipe_of(str(tmp_path / "none.toml"))
    (tmp_path / "folder.toml").mkdir()
    with pytest.raises(SettingsError, match="folder.toml cannot be read: Is a directory"):
        recipe_of(str(tmp_path / "folder.toml"))


def test_the_version_is_that_of_the_settings_that_change_bytes():
    tiny = find_recipe("tiny")
    assert settings_version(tiny) == settings_version(recipe_of("tiny", {"compute.workers": 3}))
    assert settings_version(tiny) == settings_version(replace(tiny, name="another"))
    assert settings_version(tiny) != settings_version(recipe_of("tiny", {"words.min_count": 21}))
