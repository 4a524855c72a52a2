from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from clip_pipeline.evaluation.statistics.paired_tests import bootstrap_p_value, holm, mcnemar_exact


@given(st.integers(0, 400), st.integers(0, 400))
def test_mcnemars_exact_test_is_scipys_binomial_test_of_the_samples_that_differ(one, other):
    expected = binomtest(one, one + other, 0.5).pvalue if one + other else 1.0
    assert mcnemar_exact(one, other) == pytest.approx(expected, rel=1e-9)


def test_mcnemars_exact_test_counts_by_hand():
    # of six samples that differ the first model wins five: 2 · (1 + 6) / 64
    assert mcnemar_exact(5, 1) == mcnemar_exact(1, 5) == 14 / 64
    assert mcnemar_exact(3, 3) == 1.0


def test_a_thousand_differing_samples_do_not_overflow():
    assert 0 < mcnemar_exact(20_000, 21_000) < 1e-5


def test_holm_multiplies_the_smallest_by_the_number_of_tests_the_next_by_one_less_and_never_falls():
    assert holm([0.01, 0.04, 0.03, 0.005]) == [0.03, 0.06, 0.06, 0.02]
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_the_bootstraps_p_value_is_twice_the_smaller_side_and_never_zero():
    assert bootstrap_p_value(np.full(999, 0.1)) == 2 / 1000
    assert bootstrap_p_value(np.array([-1, 1] * 500)) == 1.0
    assert bootstrap_p_value(np.zeros(100)) == 1.0


def test_equal_models_are_called_different_in_five_of_a_hundred_cases():
    rng = np.random.default_rng(0)
    found = 0
    for _ in range(400):
        b = rng.binomial(60, 0.5)
        found += mcnemar_exact(int(b), int(60 - b)) < 0.05
    assert found / 400 < 0.07  # exact: never more than 5 % in the long run
