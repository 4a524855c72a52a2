"""One trial of the sweep: a method, a fraction and a seed, from the shared data to scores.

A trial is a folder, complete when it holds trial.json:

    trial.json             scores (rows of records.SCORES with method, percent and seed), what was learnt, the steps
    predictions.parquet   every test photo with what it was called
    log.csv               losses of a training, one row a validation
    timing.json           seconds, which differ from run to run
"""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from clip_pipeline.adaptation.classifier import Classifier, interpolated
from clip_pipeline.adaptation.data import OUT_OF_DOMAIN, AdaptationData
from clip_pipeline.adaptation.fine_tuning import FineTuned, Validator, fine_tune
from clip_pipeline.adaptation.lora import merge_lora
from clip_pipeline.adaptation.methods import METHODS, Method
from clip_pipeline.adaptation.trial_context import Trial, TrialContext
from clip_pipeline.errors import SettingsError
from clip_pipeline.evaluation.provenance import Scored, with_provenance
from clip_pipeline.evaluation.scores import PREDICTIONS_FILE, score_row
from clip_pipeline.evaluation.statistics.bootstrap import mean_interval
from clip_pipeline.evaluation.zero_shot import mean_per_class_recall
from clip_pipeline.training.model.precision import reproducible_arithmetic

if TYPE_CHECKING:
    import torch

TRIAL_FILE, LOG_FILE, TIMING_FILE = "trial.json", "log.csv", "timing.json"
TASK = "adaptation"


@dataclass
class Outcome:
    """predicted: (T,) classes of the test photos. far_predicted: of the photos out of domain, None without them.

    spent: wall and processor seconds of the work of another trial that this one goes on from.
    """

    predicted: np.ndarray
    far_predicted: np.ndarray | None
    log: list[dict[str, float]] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    spent: tuple[float, float] = (0.0, 0.0)


def run_trial(context: TrialContext, trial: Trial, folder: Path) -> None:
    """Runs a trial and writes its files into `folder`, trial.json last. Raises SettingsError for an unknown method."""
    if trial.method not in METHODS:
        raise SettingsError(f'There is no way of adapting called "{trial.method}".')
    started, processor = time.monotonic(), time.process_time()
    with reproducible_arithmetic(trial.seed, context.device, context.threads):
        outcome = _adapt_and_predict(context, METHODS[trial.method], trial)
    timing = {
        "seconds": round(time.monotonic() - started + outcome.spent[0], 3),
        "processor_seconds": round(time.process_time() - processor + outcome.spent[1], 3),
    }
    folder.mkdir(parents=True, exist_ok=True)
    test = context.data.rows("test")
    table = {
        "id": [context.data.ids[row] for row in test],
        "label": pa.array(context.data.labels[test], pa.int32()),
        "predicted": pa.array(outcome.predicted, pa.int32()),
    }
    pq.write_table(pa.table(table), folder / PREDICTIONS_FILE, compression="zstd")
    if outcome.log:
        _write_log(outcome.log, folder / LOG_FILE)
    (folder / TIMING_FILE).write_text(json.dumps(timing) + "\n", encoding="utf-8")
    photos = len(context.data.fraction(trial.percent, trial.seed))
    described = {"method": trial.method, "percent": trial.percent, "seed": trial.seed, "photos": photos}
    about = context.data.about
    scored = Scored(about["model"], about["model_sha256"], about["dataset_sha256"], about["logit_scale"])
    complete = with_provenance(_score(context, outcome), folder, scored, context.evaluation, {})
    rows = [row | described for row in complete]
    written = {**described, "scores": rows, "facts": outcome.facts}
    (folder / TRIAL_FILE).write_text(json.dumps(written, indent=1) + "\n", encoding="utf-8")


def _adapt_and_predict(context: TrialContext, method: Method, trial: Trial) -> Outcome:
    """Zero-shot and the probe from the cached embeddings; the others through the encoder."""
    data = context.data
    rows = data.fraction(trial.percent, trial.seed)
    if method.rates is not None:
        return _fine_tune_and_predict(context, method, trial, rows)
    weights_CD, bias_C = data.classes() * data.about["logit_scale"], np.zeros(len(data.about["classes"]))
    facts: dict[str, Any] = {"learnt": 0}
    if method.head == "probe":
        probe = context.probe(trial)
        weights_CD, bias_C = probe.weights_CD, probe.bias_C
        facts = {"learnt": weights_CD.size + bias_C.size, "strength": probe.inverse_regularization}
    predicted = (data.embeddings[data.rows("test")] @ weights_CD.T + bias_C).argmax(1)
    return Outcome(predicted, _far_predictions(data, data.embeddings[data.rows(OUT_OF_DOMAIN)]), facts=facts)


def _fine_tune_and_predict(context: TrialContext, method: Method, trial: Trial, rows: np.ndarray) -> Outcome:
    key = (trial.percent, trial.seed)
    if method.interpolated and key in context.fine_tuned:
        tuned, after, spent = context.fine_tuned.pop(key)
        classifier = context.zero_shot()
        outcome = _interpolate_and_predict(context, classifier, classifier.state(), after, tuned)
        outcome.spent = spent
        return outcome
    began = time.monotonic(), time.process_time()
    classifier = context.zero_shot()
    if method.head == "probe":
        probe = context.probe(trial)
        scale = classifier.scale
        classifier = Classifier.of_weights(classifier.visual, probe.weights_CD, probe.bias_C, scale, context.device)
    before = classifier.state() if method.interpolated else {}
    assert method.rates is not None
    rates = method.rates(classifier.visual, context.methods)
    tuned = fine_tune(
        classifier, rates, context.data, rows, context.tuning, trial.seed, context.device, context.precision
    )
    if method.interpolated:
        return _interpolate_and_predict(context, classifier, before, classifier.state(), tuned)
    merge_lora(classifier.visual)
    if method.name == "full" and context.keeps_full:
        context.fine_tuned.clear()  # those of one trial are enough: wise_ft comes next, or trains for itself
        context.fine_tuned[key] = (
            tuned,
            classifier.state(),
            (time.monotonic() - began[0], time.process_time() - began[1]),
        )
    outcome = _predict(context, classifier)
    outcome.log, outcome.facts = tuned.log, _facts(tuned)
    return outcome


def _facts(tuned: FineTuned) -> dict[str, Any]:
    return {"learnt": tuned.learnt, "steps": tuned.steps, "best_step": tuned.best_step}


def _interpolate_and_predict(
    context: TrialContext,
    classifier: Classifier,
    before: Mapping[str, torch.Tensor],
    after: Mapping[str, torch.Tensor],
    tuned: FineTuned,
) -> Outcome:
    """Scores every alpha; the one of the best validation accuracy is the trial's, the smaller of two that are as good."""
    data, labels = context.data, context.data.labels
    validator = Validator(data, context.device, context.precision)
    curve: list[dict[str, float]] = []
    best: Outcome | None = None
    for alpha in context.alphas:
        classifier.load(interpolated(dict(before), dict(after), alpha))
        validation = validator.score(classifier)["validation_top1"]
        outcome = _predict(context, classifier)
        top1 = float((outcome.predicted == labels[data.rows("test")]).mean())
        point = {"alpha": alpha, "validation_top1": validation, "test_top1": top1}
        if outcome.far_predicted is not None:
            point["out_of_domain_top1"] = float((outcome.far_predicted == labels[data.rows(OUT_OF_DOMAIN)]).mean())
        if best is None or validation > max(one["validation_top1"] for one in curve):
            best, chosen = outcome, alpha
        curve.append(point)
    assert best is not None
    best.log, best.facts = tuned.log, _facts(tuned) | {"alpha": chosen, "alphas": curve}
    return best


def _predict(context: TrialContext, classifier: Classifier) -> Outcome:
    """In fp32 whatever the training's precision."""
    import torch

    data = context.data
    test, far = data.rows("test"), data.rows(OUT_OF_DOMAIN)
    features_TD = classifier.features_of(data, test, context.device)
    with torch.no_grad():
        predicted = classifier.logits(features_TD).argmax(1).cpu().numpy()
    far_FD = classifier.features_of(data, far, context.device).cpu().numpy() if len(far) else np.zeros((0, 1))
    return Outcome(predicted, _far_predictions(data, far_FD))


def _far_predictions(data: AdaptationData, features_FD: np.ndarray) -> np.ndarray | None:
    """Zero-shot among the other dataset's classes, as the text encoder has them."""
    return (features_FD @ data.classes(OUT_OF_DOMAIN).T).argmax(1) if len(features_FD) else None


def _score(context: TrialContext, outcome: Outcome) -> list[dict[str, Any]]:
    data, about, samples, seed = (
        context.data,
        context.data.about,
        context.evaluation.bootstrap_samples,
        context.evaluation.seed,
    )
    labels_T = data.labels[data.rows("test")]
    classes, chance = np.unique(labels_T), 1 / len(about["classes"])
    hit_T = outcome.predicted == labels_T
    limits = mean_interval(hit_T, samples, seed)
    rows = [score_row(TASK, about["dataset"], "test", "top1", hit_T.mean(), limits, len(hit_T), chance)]
    recall, limits = mean_per_class_recall(np.searchsorted(classes, labels_T), hit_T, len(classes), samples, seed)
    rows.append(score_row(TASK, about["dataset"], "test", "mean_per_class_recall", recall, limits, len(hit_T), chance))
    if outcome.far_predicted is not None:
        hit_F = outcome.far_predicted == data.labels[data.rows(OUT_OF_DOMAIN)]
        limits, chance = mean_interval(hit_F, samples, seed), 1 / about["out_of_domain_classes"]
        rows.append(
            score_row(TASK, about["out_of_domain"], OUT_OF_DOMAIN, "top1", hit_F.mean(), limits, len(hit_F), chance)
        )
    return rows


def _write_log(log: list[dict[str, float]], path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(log[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(log)
