"""The comparison of sweeps over C: what it measures and how it judges."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def probe(monkeypatch):
    """benchmarks/probe.py as a module."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    yield importlib.import_module("probe")
    sys.modules.pop("probe", None)


FEW_SHOT_COUNT = np.array([1e-3, 1.0, 1e3])


@pytest.mark.slow
def test_both_sides_choose_alike_and_ours_is_no_higher(probe):
    problem = probe.synthetic(4, count=10_300, dimensions=6)
    ours, theirs = probe.our_sweep(problem, FEW_SHOT_COUNT), probe.their_sweep(problem, FEW_SHOT_COUNT, warm=False)
    assert abs(ours.validation - theirs.validation) < 0.01 and abs(ours.test - theirs.test) < 0.02
    assert (ours.objectives <= theirs.objectives * (1 + 1e-5)).all()


def test_the_objective_is_that_of_scikit_learn(probe):
    problem = probe.synthetic(3, count=10_100, dimensions=4)
    features, labels = problem.features_ND[problem.train].astype(float), problem.labels_N[problem.train]
    model = LogisticRegression(C=2.0, tol=1e-10, solver="newton-cholesky").fit(features, labels)
    value = probe._objective(problem, model.coef_, model.intercept_, 2.0)
    right = model.predict_log_proba(features)[np.arange(len(labels)), labels]
    assert value == pytest.approx(-right.mean() + (model.coef_**2).sum() / (2 * 2.0 * len(labels)), rel=1e-12)
    generator = np.random.default_rng(0)
    for _ in range(5):  # it is the lowest there
        moved = model.coef_ + 1e-3 * generator.normal(size=model.coef_.shape)
        assert probe._objective(problem, moved, model.intercept_, 2.0) > value


@pytest.mark.parametrize(
    ("ours", "theirs", "verdict"),
    [(1.0, 3.1, "wanted 3: met"), (1.0, 2.9, "NOT met"), (1.0, 9.0, "NOT met")],
    ids=["fast enough", "too slow", "fast and worse"],
)
def test_the_verdict_asks_for_speed_and_for_an_optimum_that_is_no_worse(probe, capsys, ours, theirs, verdict):
    low = np.array([1.0, 0.5])
    reached = low * 1.01 if theirs == 9.0 else low

    def sweep(seconds, objectives):
        return [probe.Sweep(seconds, objectives, 0, 0.9, 0.9)] * 2

    probe.report({"ours": sweep(ours, reached), "sklearn": sweep(theirs, low), "warm": sweep(2.0, low)}, np.ones(2))
    assert verdict in capsys.readouterr().out


def test_photos_whose_caption_names_one_being_become_labels(probe, tmp_path):
    folder = tmp_path / "clip_embeddings" / "flickr8k_vitb32_1000"
    folder.mkdir(parents=True)
    captions = ["A dog runs", "a girl and a boy", "Nobody"] + ["A man", "a woman", "the boy", "A dog", "one girl"] * 8
    np.save(folder / "clip_embeddings.npy", np.eye(len(captions), dtype=np.float16))
    (folder / "captions_5k.json").write_text(json.dumps([*captions, "of a photo that is not there"]))
    problem = probe.flickr(tmp_path)
    assert len(problem.labels_N) == 41 and problem.labels_N[:3].tolist() == [0, 4, 3]
    assert set(problem.test) | set(problem.learnt) == set(range(41)) and not set(problem.test) & set(problem.learnt)
