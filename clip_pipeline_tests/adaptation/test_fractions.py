"""Nested, stratified, seeded fractions, and the damage that the published study had."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clip_pipeline.adaptation.fractions import (
    Fractions,
    check_fractions,
    draw_fractions,
    parse_percents,
    percent_key,
    split_stratified,
)
from clip_pipeline.errors import DatasetError, SettingsError

PERCENTS = (1.0, 10.0, 20.0, 50.0, 100.0)


def test_the_counts_are_those_of_food_101():
    """750 photos a class: 7 or 8, 75, 150, 375 and 750 in each class."""
    labels = np.repeat(np.arange(5), 750)
    drawn = draw_fractions(labels, 5, PERCENTS, seed=0)
    assert [drawn.counts_of[percent].tolist() for percent in PERCENTS] == [[n] * 5 for n in (8, 75, 150, 375, 750)]
    for percent, rows in drawn.rows_of.items():
        assert np.bincount(labels[rows], minlength=5).tolist() == drawn.counts_of[percent].tolist()


@given(
    st.lists(st.integers(1, 40), min_size=1, max_size=6),
    st.integers(0, 2**31),
    st.lists(st.floats(0.1, 100), min_size=1, max_size=5, unique=True),
)
def test_fractions_nest_and_hold_every_class(counts, seed, percents):
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    drawn = draw_fractions(labels, len(counts), percents, seed)
    smaller: set[int] = set()
    for percent in sorted(percents):
        rows = set(drawn.rows_of[percent].tolist())
        assert smaller <= rows
        assert set(labels[sorted(rows)]) == set(range(len(counts)))
        smaller = rows


def test_a_hundred_percent_is_every_photo():
    """The published 100 % held 41,856 of 75,750 photos."""
    labels = np.random.default_rng(0).integers(0, 7, 500)
    assert draw_fractions(labels, 7, PERCENTS, 3).rows_of[100.0].tolist() == list(range(500))


def test_another_seed_draws_others_and_the_same_seed_the_same():
    labels = np.repeat(np.arange(3), 50)
    first, again, other = (draw_fractions(labels, 3, PERCENTS, seed).rows_of[10.0].tolist() for seed in (1, 1, 2))
    assert first == again != other


def test_the_draw_of_a_fraction_does_not_depend_on_which_others_are_asked_for():
    labels = np.repeat(np.arange(3), 50)
    alone, among = draw_fractions(labels, 3, [10.0], 0), draw_fractions(labels, 3, PERCENTS, 0)
    assert alone.rows_of[10.0].tolist() == among.rows_of[10.0].tolist()


def test_a_class_without_photos_is_an_error_not_a_smaller_set():
    with pytest.raises(DatasetError, match="1 of 4 classes have no photo in the fraction of 10 %"):
        draw_fractions(np.array([0, 0, 1, 1, 3]), 4, [10.0], 0)


def test_a_fraction_that_lacks_photos_of_a_smaller_one_is_noticed():
    counts = np.array([1, 1])
    damaged = Fractions(0, {10.0: np.array([0, 3]), 100.0: np.array([0, 1, 2, 4])}, {10.0: counts, 100.0: counts})
    with pytest.raises(DatasetError, match="100 % lacks photos"):
        check_fractions(damaged, 2)


def test_the_manifest_names_photos_by_their_hash():
    ids = [f"photo{i}" for i in range(8)]
    drawn = draw_fractions(np.array([0, 1] * 4), 2, [50.0, 100.0], 0)
    entry = drawn.manifest(ids)["050"]
    expected = hashlib.sha256("\n".join(ids[row] for row in drawn.rows_of[50.0]).encode()).hexdigest()
    assert entry == {"percent": 50.0, "photos": 4, "per_class": [2, 2], "ids_sha256": expected}
    assert np.nanmin(drawn.first_percents(8)) == 50.0 and np.isfinite(drawn.first_percents(8)).all()


@pytest.mark.parametrize("text", ["", "0,10", "10,101", "ten", "-1"])
def test_percents_outside_0_to_100_are_refused(text):
    with pytest.raises(SettingsError, match="Write percents"):
        parse_percents(text)


def test_keys_of_percents_sort_as_the_numbers():
    percents = [0.5, 1.0, 2.5, 10.0, 99.0, 100.0]
    keys = [percent_key(percent) for percent in percents]
    assert keys == ["000.5", "001", "002.5", "010", "099", "100"] == sorted(keys)
    assert [float(key) for key in keys] == percents


def test_a_split_takes_its_share_of_each_class_and_never_a_whole_one():
    labels = np.array([0] * 10 + [1] * 2 + [2])
    taken, left = split_stratified(labels, 0.3, 0, 0)
    assert np.bincount(labels[taken], minlength=3).tolist() == [3, 1, 0]
    assert sorted([*taken, *left]) == list(range(13))
