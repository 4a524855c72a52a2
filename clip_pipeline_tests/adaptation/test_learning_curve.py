"""Points of the curve: intervals over seeds and photos, and falls beyond them."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clip_pipeline.adaptation.learning_curve import falls, read_points, resampled_means
from clip_pipeline.adaptation.results import read_table, table_text, write_results
from clip_pipeline.errors import MissingArtifactError, ShapeError
from clip_pipeline.evaluation.scores import score_row


def write_trial(folder, method, percent, seed, hits, ids=None, photos=100):
    """A trial as run_trial leaves it, with a given outcome for every test photo of two classes."""
    path = folder / f"{method}-{percent}-{seed}"
    path.mkdir()
    hits = np.asarray(hits, bool)
    labels = np.arange(len(hits)) % 2
    predicted = np.where(hits, labels, 1 - labels)
    ids = ids or [f"photo{i}" for i in range(len(hits))]
    table = {"id": ids, "label": pa.array(labels, pa.int32()), "predicted": pa.array(predicted, pa.int32())}
    pq.write_table(pa.table(table), path / "predictions.parquet")
    described = {"method": method, "percent": percent, "seed": seed, "photos": photos}
    rows = [
        score_row("adaptation", "cars", split, metric, hits.mean(), (0, 1), len(hits), 0.5) | described
        for split, metric in (("test", "top1"), ("test", "mean_per_class_recall"), ("out_of_domain", "top1"))
    ]
    (path / "trial.json").write_text(json.dumps({**described, "scores": rows, "facts": {"learnt": 7}}))
    (path / "timing.json").write_text(json.dumps({"seconds": 2.0, "processor_seconds": 1.5}))
    return path


def outcomes(share: float, count: int = 200, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).permutation(np.arange(count) < share * count)


def test_a_point_is_the_mean_of_its_seeds(tmp_path):
    trials = [
        write_trial(tmp_path, "full", 10.0, seed, outcomes(share, seed=seed))
        for seed, share in enumerate((0.4, 0.5, 0.6))
    ]
    (point,) = read_points(trials, 500)
    assert point.top1 == pytest.approx(0.5)
    assert point.low < 0.45 and point.high > 0.55
    assert point.row()["processor_seconds"] == 1.5 and point.row()["seeds"] == 3


def test_with_one_seed_the_interval_is_that_of_the_photos():
    """Against the normal approximation of a share."""
    hits = outcomes(0.3, 1000)
    low, high = np.quantile(resampled_means(hits[None], 4000), (0.025, 0.975))
    half = 1.96 * np.sqrt(0.3 * 0.7 / 1000)
    assert (low, high) == (pytest.approx(0.3 - half, abs=0.004), pytest.approx(0.3 + half, abs=0.004))


def test_seeds_that_differ_widen_the_interval():
    alike = np.stack([outcomes(0.5, 1000, seed) for seed in range(3)])
    unlike = np.stack([outcomes(share, 1000, seed) for seed, share in enumerate((0.2, 0.5, 0.8))])
    widths = [np.ptp(np.quantile(resampled_means(values, 2000), (0.025, 0.975))) for values in (alike, unlike)]
    assert widths[1] > 3 * widths[0]


def test_a_fall_beyond_the_interval_is_found_and_one_within_is_not(tmp_path):
    """The published curve fell from 76 % with 30 % of the data to 54 % with all of it."""
    trials = [
        write_trial(tmp_path, method, percent, seed, outcomes(share, seed=seed))
        for method, shares in (("full", (0.76, 0.54)), ("lora", (0.5, 0.49)))
        for percent, share in zip((30.0, 100.0), shares, strict=True)
        for seed in (0, 1)
    ]
    (found,) = falls(read_points(trials, 500), 500)
    assert (found["method"], found["from"], found["to"]) == ("full", 30.0, 100.0)
    assert found["change"] == pytest.approx(-0.22) and found["high"] < 0


@pytest.mark.slow
def test_results_are_written_from_whatever_trials_are_there(tmp_path):
    trials = [
        write_trial(tmp_path, "zero_shot", 10.0, 0, outcomes(0.3)),
        write_trial(tmp_path, "full", 10.0, 0, outcomes(0.6)),
    ]
    facts = write_results(trials, tmp_path / "out", 200)
    assert facts == {"trials": 2, "top1 with all photos": {"zero_shot": 0.3, "full": 0.6}, "falls": 0}
    rows = read_table(tmp_path / "out")
    assert [(row["method"], row["top1"], row["learnt"]) for row in rows] == [("zero_shot", 0.3, 7), ("full", 0.6, 7)]
    text = table_text(rows)
    assert "60.0 %" in text and text.splitlines()[0].startswith("method")
    assert (tmp_path / "out/per_class.csv").read_text().startswith("method,percent,class,n,top1\n")
    assert not (tmp_path / "out/losses.png").exists()


def test_trials_of_other_test_photos_are_refused(tmp_path):
    first = write_trial(tmp_path, "full", 10.0, 0, outcomes(0.5))
    other = write_trial(tmp_path, "full", 10.0, 1, outcomes(0.5), ids=[f"other{i}" for i in range(200)])
    with pytest.raises(ShapeError, match="tested on other photos"):
        read_points([first, other], 100)
    with pytest.raises(MissingArtifactError, match="No trial"):
        read_points([], 100)
