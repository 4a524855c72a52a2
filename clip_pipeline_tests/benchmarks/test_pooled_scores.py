"""benchmarks/pooled_scores.py takes the seeds of a kind together and compares kinds on the same photos."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def pooled_scores(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    yield importlib.import_module("pooled_scores")
    sys.modules.pop("pooled_scores", None)


def drawn(share: float, seeds: int, photos: int = 2000) -> np.ndarray:
    return (np.random.default_rng(int(100 * share)).random((photos, seeds)) < share).astype(float)


def test_the_difference_is_that_of_the_means_and_its_interval_that_of_paired_photos(pooled_scores):
    one, other = drawn(0.3, 3), drawn(0.5, 3)
    apart, low, high = pooled_scores.difference(one, other)
    assert apart == pytest.approx(100 * (one.mean() - other.mean()))
    spread = 100 * (one - other).mean(1).std() / len(one) ** 0.5
    assert high - low == pytest.approx(2 * 1.96 * spread, rel=0.1) and low < apart < high
    assert pooled_scores.difference(one, one) == (0, 0, 0)


def test_kinds_with_fewer_seeds_are_compared_on_those_that_both_have(pooled_scores):
    plain, few = drawn(0.5, 3), drawn(0.4, 1)
    lines = pooled_scores.table({"plain": plain, "few": few}, ["plain"]).splitlines()
    assert lines[2].startswith("| plain |") and lines[2].rstrip(" |").endswith("–")
    wanted = 100 * (few[:, 0] - plain[:, 0]).mean()
    assert f"{wanted:+.1f} [" in lines[3] and "(1 seed)" in lines[3]


def test_scores_are_read_from_the_folders_that_an_evaluation_leaves(pooled_scores, tmp_path, capsys):
    from clip_pipeline_tests.evaluation.report.test_variants import variant

    for name, noise in (("plain_0", 0.5), ("plain_1", 0.7), ("tome_0", 2.0), ("tome_1", 2.0)):
        made = variant(tmp_path, name, noise)
        (tmp_path / name / "scores.json").write_text(json.dumps(made.rows))
    pooled_scores.main([str(tmp_path), "--plain", "plain_*", "--kinds", "tome_*", "--split", "test"])
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.split()[1] == "tome_*" and "(2 seeds)" in last and "-" in last
    with pytest.raises(SystemExit, match="holds no predictions of top1 on unseen"):
        pooled_scores.main([str(tmp_path), "--plain", "plain_*", "--kinds", "tome_*"])
    with pytest.raises(SystemExit, match=r"has no scores named gumbel_\*"):
        pooled_scores.main([str(tmp_path), "--plain", "plain_*", "--kinds", "gumbel_*", "--split", "test"])
