"""Single settings changed by hand."""

from __future__ import annotations

import pytest

from clip_pipeline.errors import SettingsError
from clip_pipeline.settings import Recipe, with_settings


def test_a_setting_changes_one_field_and_keeps_its_type():
    recipe = with_settings(Recipe(), ["words.min_count=50", "training.learning_rate=1e-4", "training.flip=yes"])
    assert (recipe.words.min_count, recipe.training.learning_rate, recipe.training.flip) == (50, 1e-4, True)
    assert Recipe().words.min_count == 100


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("words.min_cuont=5", 'no setting "words.min_cuont". Did you mean "words.min_count"?'),
        ("wordz.min_count=5", 'no stage "wordz" .* Did you mean "words"?'),
        ("words.min_count", "Write stage.field=value"),
        ("words.min_count=many", 'words.min_count is "many", expected a whole number'),
        ("training.flip=perhaps", "expected true or false"),
        ("training.batch_size=1", "training.batch_size is 1, the least that works is 2"),
        ("links.source=sandbocks", 'links.source is .sandbocks.. Did you mean "sandbox"?'),
    ],
)
def test_a_wrong_setting_says_what_would_be_right(assignment, message):
    with pytest.raises(SettingsError, match=message):
        with_settings(Recipe(), [assignment])
