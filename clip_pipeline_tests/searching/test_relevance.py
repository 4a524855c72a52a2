"""Scores into words: what is learnt from labelled pairs, and that it is right as often as it says."""

from __future__ import annotations

import numpy as np
import pytest

from clip_pipeline.searching.background import HIGH, MEAN, SPREAD, background_statistics, drawn_captions
from clip_pipeline.searching.calibration import IndexedPhotos, calibrated
from clip_pipeline.searching.codes import quantise
from clip_pipeline.searching.phrases import CaptionWords, drawn_phrases
from clip_pipeline.searching.relevance import Calibration, Curve, Fit, Scoring, auc, fit_of, fitted_prior, fitted_ratios
from clip_pipeline_tests.made.chance import TEST_SEED
from clip_pipeline_tests.made.search_index import NEVER, STOP_WORDS, made_index, text_vectors


def test_ratios_of_two_bells_are_those_of_their_formula():
    rng = np.random.Generator(np.random.PCG64(TEST_SEED))
    fits = np.arange(60_000) % 3 == 0
    scores = rng.normal(size=len(fits)) + fits
    knots, logs = fitted_ratios(scores, fits)
    assert list(knots) == sorted(knots) and list(logs) == sorted(logs) and len(knots) <= 200
    middle = np.linspace(-1, 2, 7)
    assert np.interp(middle, knots, logs) == pytest.approx(
        middle - 0.5, abs=0.25
    )  # of normal bells of spread 1 at 0 and 1


@pytest.mark.parametrize("share", [0.3, 0.05, 0.005])
def test_the_share_of_fitting_photos_is_found_from_the_scores_alone(share):
    rng = np.random.Generator(np.random.PCG64(TEST_SEED))
    fits = rng.random(20_000) < share
    scores = rng.normal(size=len(fits)) + 4 * fits
    assert fitted_prior(np.exp(4 * scores - 8)) == pytest.approx(fits.mean(), rel=0.15)


def test_a_query_that_nothing_fits_has_next_to_no_share():
    scores = np.random.Generator(np.random.PCG64(TEST_SEED)).normal(size=20_000)
    assert fitted_prior(np.exp(4 * scores - 8)) < 0.001


def test_no_query_is_thought_to_fit_more_photos_than_is_usual_for_its_words():
    calibration = Calibration(
        Scoring.COSINE, {1: Curve((0.0, 1.0), (-2.0, 2.0), 0.2), 2: Curve((0.0, 1.0), (-2.0, 2.0), 0.01)}
    )
    scores = np.linspace(0, 1, 1000)
    two, three, one = (calibration.probabilities(scores, words) for words in (2, 3, 1))
    assert (two == three).all() and (one >= two).all() and two.max() < 0.1 < one.max()


def test_false_alarms_go_by_the_number_of_words():
    calibration = Calibration(Scoring.COSINE, false_alarms={2: 0.5, 3: 0.6})
    assert calibration.fits_nothing(0.55, 3) and calibration.fits_nothing(0.55, 7)
    assert not calibration.fits_nothing(0.55, 2) and not calibration.fits_nothing(0.4, 1)
    assert not Calibration(Scoring.COSINE).fits_nothing(-1, 2), "nothing is known"


def test_words_for_probabilities():
    assert [fit_of(value) for value in (0.9, 0.8, 0.79, 0.5, 0.3, 0.1, 0.09)] == [
        *(Fit.STRONG, Fit.STRONG, Fit.LIKELY, Fit.LIKELY, Fit.WEAK, Fit.WEAK, Fit.NONE)
    ]


def test_auc_counts_pairs_and_ties_half():
    assert auc([3, 2], [1, 2]) == pytest.approx(3.5 / 4)
    assert np.isnan(auc([], [1]))


def test_statistics_are_those_of_the_cosines_with_all_captions():
    rng = np.random.Generator(np.random.PCG64(TEST_SEED))
    rows, captions = (
        rows / np.linalg.norm(rows, axis=1, keepdims=True)
        for rows in (rng.normal(size=(700, 24)), rng.normal(size=(101, 24)))
    )
    codes_ND, scales_N = quantise(rows)
    found = background_statistics(codes_ND, scales_N, captions)
    cosines = rows @ captions.T
    assert found[:, MEAN] == pytest.approx(cosines.mean(1), abs=2e-3) and found[:, SPREAD] == pytest.approx(
        cosines.std(1), abs=2e-3
    )
    assert found[:, HIGH] == pytest.approx(np.sort(cosines, axis=1)[:, 90], abs=5e-3)


def test_captions_are_drawn_by_the_seed_and_not_by_their_order():
    captions = [f"caption {number}" for number in range(500)]
    drawn = drawn_captions(captions, 50, 0)
    assert drawn == drawn_captions([*reversed(captions), *captions], 50, 0) and len(set(drawn)) == 50
    assert drawn != drawn_captions(captions, 50, 1) and drawn_captions(captions[:9], 50, 0) == captions[:9]


def test_phrases_are_those_of_captions_and_crossed_ones_stand_in_none():
    words = CaptionWords([["a large red cup"], ["A blue boat!", "one blue ship"], ["the green tree"], ["a red boat"]])
    assert words.rows_with_phrase("red cup").tolist() == words.rows_with_phrase("large cup").tolist() == [0]
    assert words.rows_with_phrase("cup red").tolist() == [] and words.rows_with_all(["boat"]).tolist() == [1, 3]
    phrases = drawn_phrases(words, [0, 1, 2, 3], lambda word: word not in STOP_WORDS, 40, TEST_SEED)
    assert {"red cup", "blue boat", "tree", "red"} <= set(phrases.found) and not any(
        "a " in phrase for phrase in phrases.found
    )
    assert "green cup" in phrases.absent
    assert all(not len(words.rows_with_phrase(phrase)) for phrase in phrases.absent)


def test_an_index_is_right_as_often_as_its_words_say(tmp_path):
    figures = made_index(tmp_path / "index").calibration.figures
    assert figures["photos of the training"] is False and figures["phrases absent"] >= 20
    assert set(figures["example"].split()) not in [set(pair) for pair in NEVER]
    assert figures[f"found or absent, AUC by {figures['scoring']}"] > 0.9
    assert figures["strong, share that fit"] > 0.75 and figures["none, share that fit"] < 0.1


@pytest.mark.parametrize("captions", [[], ["a red cup"]])
def test_without_captions_that_say_something_nothing_is_known(captions):
    codes_ND, scales_N = quantise(text_vectors(["a", "b", "c"] * 30))
    photos = IndexedPhotos(codes_ND, scales_N, np.zeros((90, 3), np.float32), [captions] * 90, ["test"] * 90)
    calibration = calibrated(photos, text_vectors, lambda word: True, 40, 0)
    assert not calibration.curves and calibration.figures["phrases"] < 20
