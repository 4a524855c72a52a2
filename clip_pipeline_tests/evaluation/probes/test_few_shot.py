"""Probes on a few photos a class."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from clip_pipeline.errors import SettingsError
from clip_pipeline.evaluation.probes import few_shot
from clip_pipeline.evaluation.probes.few_shot import T_95, mean_over_draws, shots_of, train_few_shot_probes
from clip_pipeline.evaluation.probes.splits import ProbeSplit
from clip_pipeline.settings import ProbeSettings
from clip_pipeline_tests.evaluation.probes.fakes import cone


def test_shots_are_numbers():
    assert shots_of(ProbeSettings(shots="4, 1,2,")) == [1, 2, 4]
    assert shots_of(ProbeSettings(shots="")) == []
    for wrong in ("1,two", "0"):
        with pytest.raises(SettingsError, match="expected numbers with commas between"):
            shots_of(ProbeSettings(shots=wrong))


def test_shots_are_drawn_by_class_from_the_training_photos_nested_and_apart_from_those_that_choose_c(monkeypatch):
    features, labels = cone(3, 40)
    rows = np.arange(120)
    split = ProbeSplit("test", rows[rows % 4 == 0], rows[rows % 4 == 1], rows[rows % 4 > 1])
    drawn: list[tuple[np.ndarray, np.ndarray]] = []
    inner = few_shot.train_linear_probe

    def watched(features, labels, train, validation, *rest, **options):
        drawn.append((train, validation))
        return inner(features, labels, train, validation, *rest, **options)

    monkeypatch.setattr(few_shot, "train_linear_probe", watched)
    found = train_few_shot_probes(features, labels, split, ProbeSettings(few_shot_seeds=2))
    assert [one.shots for one in found] == [1, 2, 4, 8, 16]  # 20 photos a class, 4 of them to choose with
    for number, (train, validation) in enumerate(drawn):
        shots = found[number // 2].shots
        assert np.bincount(labels[train]).tolist() == [shots] * 3
        assert np.bincount(labels[validation]).tolist() == [min(shots, 4)] * 3
        assert len(set(train) | set(validation)) == len(train) + len(validation)
        assert set(train) | set(validation) <= set(split.learnt)
        if number >= 2:
            assert set(drawn[number - 2][0]) <= set(train)
    assert set(drawn[0][0]) != set(drawn[1][0])


def test_more_shots_help():
    features, labels = cone(5, 200, noise=1.5)
    rows = np.arange(len(labels))
    split = ProbeSplit("test", rows[rows % 4 == 0], rows[rows % 4 == 1], rows[rows % 4 > 1])
    found = train_few_shot_probes(features, labels, split, ProbeSettings(shots="1,16"))
    few, many = ((one.predicted_SM == labels[split.test]).mean() for one in found)
    assert 0.2 < few < many - 0.1


def test_numbers_of_shots_beyond_the_smallest_class_are_left_out():
    features, labels = cone(3, 8)
    rows = np.arange(24)
    split = ProbeSplit("test", rows[rows % 8 < 3], rows[rows % 8 == 3], rows[rows % 8 > 3])
    assert [one.shots for one in train_few_shot_probes(features, labels, split, ProbeSettings())] == [1, 2]


def test_the_interval_holds_the_spread_of_the_draws_and_of_the_photos():
    hits = np.array([[1, 1, 1, 0], [1, 1, 0, 0], [1, 1, 1, 1]])
    mean, (low, high) = mean_over_draws(hits, (0.65, 0.80))
    of_draws = np.array([0.75, 0.5, 1.0])
    half = stats.t.ppf(0.975, 2) * of_draws.std(ddof=1) / np.sqrt(3)
    assert mean == pytest.approx(0.75)
    assert low == pytest.approx(0.75 - np.hypot(half, 0.10), abs=1e-3)
    assert high == 1.0  # not beyond
    assert {degrees: round(float(stats.t.ppf(0.975, degrees)), 3) for degrees in T_95} == T_95
