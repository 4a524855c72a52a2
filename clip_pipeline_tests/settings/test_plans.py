"""Plans are read, checked, applied and recorded. A reference's plan files were never read."""

from __future__ import annotations

import json

import pytest

from clip_pipeline.errors import SettingsError
from clip_pipeline.models.registry import load_config
from clip_pipeline.settings import with_settings
from clip_pipeline.settings.plans import list_plans, plan_assignments
from clip_pipeline.settings.recipes import find_recipe


@pytest.fixture
def plan_file(tmp_path):
    def write(plan: object) -> str:
        path = tmp_path / "plan.json"
        path.write_text(plan if isinstance(plan, str) else json.dumps(plan))
        return str(path)

    return write


@pytest.mark.parametrize("name", list_plans())
def test_every_plan_is_read_and_every_value_of_it_is_set(name):
    recipe = with_settings(find_recipe("workstation"), [f"training.plan={name}"])
    assert recipe.training.plan == name
    load_config(recipe.training.model)
    assignments = plan_assignments(name)
    assert len(assignments) >= 8
    for assignment in assignments:
        key, _, text = assignment.partition("=")
        stage, _, field = key.partition(".")
        assert str(getattr(getattr(recipe, stage), field)).lower() in (text.lower(), f"{text}.0")


def test_the_published_hyperparameters_are_those_of_the_plans():
    def training(name):
        return with_settings(find_recipe("workstation"), [f"training.plan={name}"]).training

    coco = training("coco_rn50_30")
    assert (coco.learning_rate, coco.weight_decay, coco.warmup_steps, coco.epochs) == (1e-4, 0.1, 50, 30)
    wkit = training("wkit_24m")
    assert (wkit.learning_rate, wkit.beta_2, wkit.epsilon, wkit.weight_decay) == (5e-4, 0.98, 1e-6, 0.2)
    assert wkit.warmup_steps == 2000
    tinker = training("text_to_image_2m")
    assert (tinker.batch_size, tinker.grad_clip_norm, tinker.warmup_percent, tinker.final_lr_percent) == (
        1024,
        1,
        2,
        10,
    )
    assert tinker.compile
    text8 = with_settings(find_recipe("workstation"), ["training.plan=text8_pooling"]).language
    assert text8.steps * text8.batch_size * text8.context == 200_000 * 8 * 2048
    assert text8.steps * text8.warmup_percent / 100 == 4000
    assert list_plans() == sorted(
        [
            *(f"{data}_rn50_{epochs}" for data in ("coco", "laion_100k") for epochs in (1, 10, 30)),
            *("text8_pooling", "text_to_image_2m", "wkit_24m"),
        ]
    )


def test_the_users_own_settings_win_wherever_they_stand(plan_file):
    path = plan_file({"about": "x", "settings": {"training.epochs": 3, "training.flip": True, "words.min_count": 7}})
    recipe = with_settings(find_recipe("sandbox"), ["training.epochs=5", f"training.plan={path}"])
    assert (recipe.training.epochs, recipe.training.flip, recipe.words.min_count) == (5, True, 7)
    assert recipe.training.plan == path


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        ({"settings": {"training.epohcs": 3}}, 'no setting "training.epohcs". Did you mean "training.epochs"'),
        ({"setings": {}}, 'unknown key "setings". Did you mean "settings"'),
        ({"about": "x"}, 'lacks "settings"'),
        ({"settings": {"training.flip": "perhaps"}}, "training.flip is .perhaps., expected true or false"),
        ({"settings": {"training.epochs": [3]}}, r"training.epochs the value \[3\]. Expected a text or a number"),
        ({"settings": {"training.batch_size": 1}}, "the least that works is 2"),
        ({"settings": {"training.plan": "x"}}, "names a plan itself"),
        ([1], "is no JSON object"),
        ("{", "cannot be read as JSON"),
    ],
)
def test_a_wrong_plan_says_what_is_wrong(plan_file, plan, message):
    with pytest.raises(SettingsError, match=message):
        with_settings(find_recipe("sandbox"), [f"training.plan={plan_file(plan)}"])


def test_an_unknown_plan_names_the_nearest():
    with pytest.raises(SettingsError, match='no plan "coco_rn50_3". Did you mean "coco_rn50_30"'):
        with_settings(find_recipe("sandbox"), ["training.plan=coco_rn50_3"])
    with pytest.raises(SettingsError, match="nowhere.json does not exist"):
        with_settings(find_recipe("sandbox"), ["training.plan=nowhere.json"])
