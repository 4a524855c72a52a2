from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clip_pipeline.errors import SettingsError
from clip_pipeline.pipeline.variants.file import keep_definition
from clip_pipeline.settings import with_settings
from clip_pipeline.settings.recipes import TINY
from clip_pipeline.settings.variants import (
    differing_settings,
    find_variant,
    list_variants,
    new_variant,
)

MODELS = ("vit_s_16_112", "tiny_test")


def find(data, name, recipe=TINY):
    return find_variant(data, recipe, name, MODELS)


def write(data, name, text) -> None:
    (data / "variants").mkdir(exist_ok=True)
    (data / "variants" / f"{name}.toml").write_text(text)


def test_the_recipe_itself_is_the_first_variant_and_has_its_settings(tmp_path):
    write(tmp_path, "b", "[training]\nseed = 1")
    write(tmp_path, "a", "[training]\nseed = 2")
    assert list_variants(tmp_path, TINY) == ["tiny_test", "a", "b"]
    assert find(tmp_path, "tiny_test").training == TINY.training


def test_a_file_changes_settings_of_the_recipe(tmp_path):
    write(tmp_path, "long", 'about = "Longer."\n[training]\nepochs = 4\nflip = true\noptimizer = "muon"')
    variant = find(tmp_path, "long")
    assert variant.about == "Longer."
    assert differing_settings(variant, TINY) == {"epochs": 4.0, "flip": True, "optimizer": "muon"}
    assert variant.training.model == TINY.training.model


def test_a_file_changes_how_tokens_are_pooled(tmp_path):
    write(tmp_path, "fewer", '[training]\nseed = 1\n[pooling]\nkind = "windows"\ntarget = 16')
    variant = find(tmp_path, "fewer")
    assert differing_settings(variant, TINY) == {"seed": 1, "pooling.kind": "windows", "pooling.target": 16.0}
    write(tmp_path, "rate", '[pooling]\nrate_loss = "hinge"')
    with pytest.raises(SettingsError, match=r"sets pooling\.rate_loss, but a variant changes .* of pooling"):
        find(tmp_path, "rate")
    write(tmp_path, "tiny_test", '[pooling]\nkind = "windows"')
    with pytest.raises(SettingsError, match="has the name of the variant of the recipe"):
        find(tmp_path, "tiny_test")


def test_a_pooling_of_the_recipe_is_that_of_all_variants_that_say_nothing(tmp_path):
    recipe = with_settings(TINY, ["pooling.kind=tome"])
    assert find(tmp_path, "seed=1", recipe).pooling.kind == "tome"
    assert differing_settings(find(tmp_path, "seed=1", recipe), recipe) == {"seed": 1}


@pytest.mark.parametrize(
    ("key", "meaning"),
    [
        ("vit_s_16_112", {"model": "vit_s_16_112"}),
        ("epochs=4,seed=1", {"epochs": 4.0, "seed": 1}),
        ("epochs=4+seed=1", {"epochs": 4.0, "seed": 1}),
        ("learning_rate=1e+0", {"learning_rate": 1.0}),
        ("training.flip=true", {"flip": True}),
        ("pooling.kind=windows", {"pooling.kind": "windows"}),
        ("seed=1+pooling.kind=gumbel+pooling.target=9", {"seed": 1, "pooling.kind": "gumbel", "pooling.target": 9.0}),
    ],
)
def test_a_key_that_says_what_it_means_is_kept_as_a_file(tmp_path, key, meaning):
    variant = find(tmp_path, key)
    assert differing_settings(variant, TINY) == meaning
    keep_definition(tmp_path, variant)
    assert find(tmp_path, key).sections == variant.sections
    assert key in list_variants(tmp_path, TINY)


def test_a_plan_is_a_variant_where_it_changes_the_training_only(tmp_path):
    with pytest.raises(SettingsError, match=r"its plan also sets download.image_size=256, tokenizer.kind=clip"):
        find(tmp_path, "coco_rn50_1")
    same = with_settings(TINY, ["training.plan=coco_rn50_10"])
    assert differing_settings(find(tmp_path, "coco_rn50_1", same), same) == {"epochs": 1.0, "plan": "coco_rn50_1"}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[training", r"broken\.toml is no TOML"),
        ("\xff", r"broken\.toml is no TOML"),
        ("[training]", r"broken\.toml changes no setting"),
        ("[words]\nmin_count = 3", r'broken\.toml has the unknown key "words"'),
        (
            "[training]\nepochz = 3",
            r'broken\.toml: There is no setting "training.epochz". Did you mean "training.epochs"',
        ),
        ("[training]\nepochs = 0", r"broken\.toml: training.epochs is 0.0, the least that works is 0.001"),
        ("[training]\nlearning_rate = nan", r"broken\.toml: training.learning_rate is nan"),
        ("[training]\nflip = 3", r'broken\.toml: training.flip is "3", expected true or false'),
        ("[training]\nepochs = [3]", r"broken\.toml: epochs is neither a text nor a number"),
        ("[training]\npicture_layers = 3", r"was renamed training.vision_layers"),
        ("about = 3\n[training]\nseed = 3", r"broken\.toml: about is 3"),
        ("#" * 70_000, r"broken\.toml is larger than 64 kB"),
    ],
)
def test_a_broken_file_is_one_sentence_that_names_it(tmp_path, text, sentence):
    (tmp_path / "variants").mkdir()
    (tmp_path / "variants" / "broken.toml").write_bytes(text.encode("latin-1"))
    with pytest.raises(SettingsError, match=sentence):
        find(tmp_path, "broken")


def test_a_key_without_a_definition_says_how_to_add_one(tmp_path):
    with pytest.raises(SettingsError, match=r'no training variant "lnog".*lnog\.toml.*variants add lnog --set'):
        find(tmp_path, "lnog")


@pytest.mark.parametrize("name", ["a/b", "a|b", ".hidden", "a...b", "", "a b", "x" * 200])
def test_a_name_that_is_not_safe_is_refused(tmp_path, name):
    with pytest.raises(SettingsError, match="cannot be the name of a training variant"):
        new_variant(tmp_path, TINY, name, ["training.seed=1"], "", MODELS)


def test_the_recipes_own_name_belongs_to_the_recipe(tmp_path):
    with pytest.raises(SettingsError, match="is the variant of the recipe tiny itself"):
        new_variant(tmp_path, TINY, "tiny_test", ["training.seed=1"], "", MODELS)
    write(tmp_path, "tiny_test", "[training]\nseed = 1")
    with pytest.raises(SettingsError, match=r"tiny_test\.toml has the name of the variant of the recipe tiny itself"):
        find(tmp_path, "tiny_test")


def test_a_name_never_changes_its_meaning(tmp_path):
    first = new_variant(tmp_path, TINY, "long", ["training.epochs=4"], "", MODELS)
    keep_definition(tmp_path, first)
    assert new_variant(tmp_path, TINY, "long", ["training.epochs=4"], "", MODELS).training == first.training
    with pytest.raises(SettingsError, match="is defined already"):
        new_variant(tmp_path, TINY, "long", ["training.epochs=5"], "", MODELS)
    with pytest.raises(SettingsError, match=r"sets words\.min_count, but a variant changes settings of training only"):
        new_variant(tmp_path, TINY, "words", ["words.min_count=5"], "", MODELS)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_any_sentence_about_a_variant_comes_back(tmp_path_factory, about):
    data = tmp_path_factory.mktemp("data")
    keep_definition(data, new_variant(data, TINY, "one", ["training.seed=1"], about, MODELS))
    assert find(data, "one").about == about
