"""What language.models asks for: keys, forms, and sentences for what is no model."""

from __future__ import annotations

import pytest

from clip_pipeline.errors import SettingsError
from clip_pipeline.language.asked import AskedModel, asked_models, find_asked, form_of, training_of
from clip_pipeline.settings import LanguageSettings, PoolingSettings


def test_models_and_seeds_become_keys_in_the_order_in_which_they_are_asked_for():
    settings = LanguageSettings(models="none, none@3,whitespace,router@5,gumbel,fixed@2,none@6", seeds=2, seed=7)
    assert [model.key for model in asked_models(settings)] == [
        *("none@6-7", "none@6-8", "none@3-7", "none@3-8", "whitespace-7", "whitespace-8", "router@5-7", "router@5-8"),
        *("gumbel@4-7", "gumbel@4-8", "fixed@2-7", "fixed@2-8"),
    ]
    assert find_asked(settings, "router@5-8") == AskedModel("router", 5.0, 8)
    with pytest.raises(SettingsError, match='asks for no "router@5-9"'):
        find_asked(settings, "router@5-9")


def test_forms_and_trainings_are_made_of_the_settings():
    settings = LanguageSettings(
        models="none@3,router@5,unigram", width=192, layers="2,4,1", residual="projected", steps=11
    )
    shallow, router, unigram = (form_of(model, settings) for model in asked_models(settings))
    assert shallow.layers == (0, 0, 3) and router.layers == unigram.layers == (2, 4, 1)
    assert (router.kind, router.target, router.width, router.heads) == ("router", 5.0, 192, 3)
    training = training_of(
        AskedModel("router", 5.0, 3), settings, PoolingSettings(rate_loss="binomial", rate_weight=1.0)
    )
    assert (training.steps, training.seed, training.rate_loss, training.rate_weight) == (11, 3, "binomial", 1.0)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"models": "whitspace"}, 'no kind of pooling "whitspace". Did you mean "whitespace"'),
        ({"models": " , "}, "language.models is empty"),
        ({"models": "router@1"}, "pooling begins above 1"),
        ({"models": "fixed@x"}, 'holds "fixed@x": after @ comes a number'),
        ({"models": "whitespace@4"}, "the segments of whitespace are as long as they are, without a number"),
        ({"models": "none@2.5"}, "none@LAYERS has a whole number of layers"),
        ({"models": "none", "layers": "1,4"}, 'language.layers is "1,4", expected three numbers'),
    ],
)
def test_what_is_no_model_is_refused_with_a_sentence(changes, sentence):
    with pytest.raises(SettingsError, match=sentence):
        asked_models(LanguageSettings(**changes))
