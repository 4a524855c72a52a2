"""Trials: zero-shot and probe from cached embeddings, WiSE-FT, LP-then-FT; the sweep that goes on after it was killed."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest

from clip_pipeline.adaptation.classifier import interpolated
from clip_pipeline.adaptation.methods import METHODS, parse_alphas
from clip_pipeline.adaptation.sweep import run_sweep, sweep_trials, trials_of
from clip_pipeline.adaptation.trial_context import Trial, TrialContext
from clip_pipeline.adaptation.trials import run_trial
from clip_pipeline.errors import SettingsError
from clip_pipeline.settings import Recipe
from clip_pipeline_tests.adaptation.conftest import COMPUTE, EVALUATION
from clip_pipeline_tests.made.warm_python import start_python


def read(folder):
    return json.loads((folder / "trial.json").read_text()), pq.read_table(folder / "predictions.parquet").to_pylist()


def test_zero_shot_is_the_zero_shot_of_the_evaluation(context, model, photos, tmp_path):
    """The same photos and prompts through `clip-pipeline evaluate` call every photo the same."""
    from clip_pipeline.api.evaluate import evaluate
    from clip_pipeline.evaluation.datasets import open_dataset

    run_trial(context, Trial("zero_shot", 100.0, 0), tmp_path / "trial")
    about, _ = read(tmp_path / "trial")
    rows = evaluate(
        model,
        open_dataset(photos / "colours"),
        tmp_path / "scores.json",
        recipe=Recipe(evaluation=EVALUATION, compute=COMPUTE),
    )
    (expected,) = [row for row in rows if row["split"] == "test" and row["metric"] == "top1"]
    assert about["scores"][0]["value"] == expected["value"]
    assert about["facts"] == {"learnt": 0}


def test_a_probe_is_scikit_learns_with_the_c_that_was_chosen(context, tmp_path):
    from sklearn.linear_model import LogisticRegression

    data = context.data
    rows = data.fraction(50.0, 1)
    run_trial(context, Trial("linear_probe", 50.0, 1), tmp_path / "trial")
    about, predictions = read(tmp_path / "trial")
    theirs = LogisticRegression(C=about["facts"]["strength"], max_iter=5000, tol=1e-8)
    theirs.fit(data.embeddings[rows], data.labels[rows])
    expected = theirs.predict(data.embeddings[data.rows("test")])
    assert np.mean([row["predicted"] for row in predictions] == expected) >= 0.95


def test_full_fine_tuning_tells_colours_apart(context, tmp_path):
    """Untrained it guesses; a classifier that is trained right is nearly perfect here."""
    context.tuning = replace(context.tuning, min_steps=60, max_steps=60, learning_rate=5e-3, validations=4, patience=9)
    run_trial(context, Trial("full", 100.0, 0), tmp_path / "full")
    assert read(tmp_path / "full")[0]["scores"][0]["value"] >= 0.8


def test_a_trial_twice_is_the_same_to_the_byte(context, tmp_path):
    for name in ("one", "two"):
        run_trial(context, Trial("lora", 50.0, 1), tmp_path / name)
    for file in ("trial.json", "predictions.parquet", "log.csv"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_wise_ft_is_the_same_whether_it_mixes_the_weights_of_full_or_trains_its_own(context, tmp_path):
    run_trial(context, Trial("full", 50.0, 0), tmp_path / "full")
    assert context.fine_tuned
    run_trial(context, Trial("wise_ft", 50.0, 0), tmp_path / "after_full")
    assert not context.fine_tuned
    run_trial(context, Trial("wise_ft", 50.0, 0), tmp_path / "alone")
    for file in ("trial.json", "predictions.parquet", "log.csv"):
        assert (tmp_path / "after_full" / file).read_bytes() == (tmp_path / "alone" / file).read_bytes()


def test_the_ends_of_wise_fts_curve_are_zero_shot_and_full(context, tmp_path):
    for method in ("zero_shot", "full", "wise_ft"):
        run_trial(context, Trial(method, 100.0, 0), tmp_path / method)
    (zero, full, wise) = (read(tmp_path / method)[0] for method in ("zero_shot", "full", "wise_ft"))
    curve = wise["facts"]["alphas"]
    assert [point["alpha"] for point in curve] == [0.0, 0.5, 1.0]
    assert [point["test_top1"] for point in curve[::2]] == [zero["scores"][0]["value"], full["scores"][0]["value"]]
    assert curve[0]["out_of_domain_top1"] == zero["scores"][2]["value"]
    best = max(point["validation_top1"] for point in curve)
    assert wise["facts"]["alpha"] == next(point["alpha"] for point in curve if point["validation_top1"] == best)


def test_weights_are_mixed_by_numpys_arithmetic():
    import torch

    before, after = ({"w": torch.tensor([a, b]), "n": torch.tensor(c)} for a, b, c in ((1.0, 2.0, 3), (5.0, -2.0, 9)))
    mixed = interpolated(before, after, 0.25)
    np.testing.assert_allclose(mixed["w"].numpy(), 0.75 * np.array([1.0, 2.0]) + 0.25 * np.array([5.0, -2.0]))
    assert mixed["n"] == 9


def test_lp_then_ft_begins_with_the_probe(context, tmp_path):
    run_trial(context, Trial("linear_probe", 100.0, 0), tmp_path / "probe")
    still = TrialContext(**{**vars(context), "tuning": replace(context.tuning, learning_rate=1e-9)})
    run_trial(still, Trial("lp_then_ft", 100.0, 0), tmp_path / "tuned")
    (probe, probed), (_, tuned) = read(tmp_path / "probe"), read(tmp_path / "tuned")
    agree = np.mean([one["predicted"] == other["predicted"] for one, other in zip(probed, tuned, strict=True)])
    assert agree >= 0.95  # the probe's features are rounded to float16
    assert probe["facts"]["learnt"] == 4 * (32 + 1)


@pytest.mark.parametrize("method", [name for name, method in METHODS.items() if method.rates])
def test_only_what_a_method_names_changes(context, method):
    """The weights after a training, parameter by parameter, against those before."""
    import torch

    from clip_pipeline.adaptation.fine_tuning import fine_tune
    from clip_pipeline.adaptation.lora import merge_lora

    classifier, before = context.zero_shot(), dict(context.visual.named_parameters())
    tuning = replace(context.tuning, learning_rate=1e-2, validations=1, min_steps=3, max_steps=3)
    rates = METHODS[method].rates(classifier.visual, context.methods)
    never = {name for name in before if name not in rates} if method != "lora" else set()
    fine_tune(classifier, rates, context.data, context.data.rows("train"), tuning, 0, "cpu", "fp32")
    merge_lora(classifier.visual)
    after = dict(classifier.visual.named_parameters())
    assert set(after) == set(before)
    assert all(torch.equal(after[name], before[name]) for name in never)


def test_the_grid_runs_a_seed_before_the_next_and_wise_ft_after_full(settings):
    trials = sweep_trials(replace(settings, methods="zero_shot,full,wise_ft,lora", fractions="100,10"))
    assert [(trial.seed, trial.percent, trial.method) for trial in trials[:5]] == [
        *((0, 10.0, "zero_shot"), (0, 10.0, "lora"), (0, 10.0, "full"), (0, 10.0, "wise_ft"), (0, 100.0, "zero_shot"))
    ]
    assert [trial.method for trial in trials if trial.seed == 1] == ["lora", "full", "wise_ft"] * 2
    assert [trial.seed for trial in trials_of("full", 10.0, settings)] == [0, 1]


@pytest.mark.parametrize("text", ["", "2", "-0.1,1", "half"])
def test_alphas_outside_0_to_1_are_refused(text):
    with pytest.raises(SettingsError, match="Write shares"):
        parse_alphas(text)


KILLED = """
import sys, pickle
from clip_pipeline.adaptation.trial_context import TrialContext
from clip_pipeline.adaptation.data import open_data
from clip_pipeline.adaptation.sweep import sweep_trials, run_sweep
from pathlib import Path
model, shared, settings, evaluation, compute, out = pickle.load(open(sys.argv[1], "rb"))
run_sweep(lambda: TrialContext.open(model, open_data(shared), settings, evaluation, compute), sweep_trials(settings), Path(out))
"""


@pytest.mark.slow
def test_a_grid_that_is_killed_loses_the_running_trial_and_no_other(model, data, settings, tmp_path):
    import pickle

    wanted = replace(settings, methods="layer_norm,full", fractions="100", seeds=2, min_steps=40, max_steps=40)
    out = tmp_path / "trials"
    out.mkdir()
    (tmp_path / "what").write_bytes(pickle.dumps((model, data.folder, wanted, EVALUATION, COMPUTE, str(out))))
    process = start_python(["-c", KILLED, tmp_path / "what"])
    try:
        deadline = time.monotonic() + 200
        while not list(out.glob("[a-z]*")) and time.monotonic() < deadline:
            time.sleep(0.01)
    finally:
        process.kill()
        process.wait()
    finished = {path.name: (path / "trial.json").stat().st_mtime_ns for path in out.glob("[a-z]*")}
    assert 1 <= len(finished) < 4
    run_sweep_again(model, data, wanted, out, finished)
    path = next(out.glob("full*")) / "predictions.parquet"
    written = path.read_bytes()
    path.write_bytes(written[:100] + bytes([written[100] ^ 1]) + written[101:])
    rest = {name.name: (name / "trial.json").stat().st_mtime_ns for name in out.glob("[a-z]*") if name != path.parent}
    run_sweep_again(model, data, wanted, out, rest)
    assert path.read_bytes() == written, "a finished trial that was damaged is run again"


def run_sweep_again(model, data, wanted, out, finished):
    """Runs those trials that are not finished, and no other."""
    ran = []
    run_sweep(
        lambda: TrialContext.open(model, data, wanted, EVALUATION, COMPUTE),
        sweep_trials(wanted),
        out,
        lambda trial: ran.append(trial.name),
    )
    assert set(ran) == {trial.name for trial in sweep_trials(wanted)} - finished.keys()
    assert all((out / name / "trial.json").stat().st_mtime_ns == then for name, then in finished.items())
    assert sorted(path.name for path in out.glob("[a-z]*")) == sorted(trial.name for trial in sweep_trials(wanted))
