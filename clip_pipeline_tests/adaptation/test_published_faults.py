"""What made the published study's numbers wrong, each fault tried on ours."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from clip_pipeline.adaptation.classifier import Classifier
from clip_pipeline.adaptation.fine_tuning import FineTuning, fine_tune, parameter_groups
from clip_pipeline.adaptation.methods import METHODS
from clip_pipeline.adaptation.options import fine_tuning_of
from clip_pipeline.adaptation.preparation import prepare_data
from clip_pipeline.adaptation.trial_context import Trial, TrialContext
from clip_pipeline.adaptation.trials import run_trial
from clip_pipeline.errors import TrainingError
from clip_pipeline.evaluation.datasets import open_dataset
from clip_pipeline.training.data.augmentation import NO_AUGMENTATION
from clip_pipeline_tests.adaptation.conftest import COMPUTE, EVALUATION


def tuned(context, tuning=None, method="full", rows=None):
    """(classifier, what fine_tune says) of one training on all photos."""
    classifier = context.zero_shot()
    rates = METHODS[method].rates(classifier.visual, context.methods)
    rows = context.data.rows("train") if rows is None else rows
    return classifier, fine_tune(
        classifier, rates, context.data, rows, tuning or context.tuning, 0, "cpu", context.precision
    )


def test_the_loss_sees_raw_logits_over_the_classes(context):
    """Theirs took a softmax first, once over the photos of the batch. The loss that is told is numpy's of raw logits."""
    _, found = tuned(context)
    classifier = context.zero_shot()
    rows = context.data.rows("validation")
    features_ND = classifier.features_of(context.data, rows, "cpu").numpy().astype(np.float64)
    classes_CD = context.data.classes().astype(np.float64)
    logits_NC = context.data.about["logit_scale"] * features_ND @ classes_CD.T
    log_sum_N = np.log(np.exp(logits_NC).sum(axis=1))
    expected = (log_sum_N - logits_NC[np.arange(len(rows)), context.data.labels[rows]]).mean()
    assert found.log[0]["validation_loss"] == pytest.approx(expected, rel=1e-5)


def test_the_gradient_of_a_step_is_that_of_raw_logits(context):
    """One step of one photo a class, without clipping or crops, against softmax(z) - y worked out by hand."""
    import torch

    classifier = context.zero_shot()
    rows = context.data.fraction(10.0, 0)
    once = FineTuning(3e-3, NO_AUGMENTATION, batch_size=4, min_steps=1, max_steps=1, validations=1)
    calls = []
    plain = torch.nn.utils.clip_grad_norm_
    torch.nn.utils.clip_grad_norm_ = lambda parameters, norm: calls.append(classifier.bias_C.grad.clone())
    try:
        fine_tune(classifier, {}, context.data, rows, once, 0, "cpu", "fp32")
    finally:
        torch.nn.utils.clip_grad_norm_ = plain
    before = context.zero_shot()
    with torch.no_grad():
        logits_NC = before.logits(before.features_of(context.data, rows, "cpu")).double().numpy()
    shares_NC = np.exp(logits_NC) / np.exp(logits_NC).sum(axis=1, keepdims=True)
    expected_C = (shares_NC - np.eye(4)[context.data.labels[rows]]).mean(axis=0)
    np.testing.assert_allclose(calls[0].numpy(), expected_C, atol=1e-6)


def test_decay_is_counted_by_layer_in_the_optimizer_itself(context):
    classifier = context.zero_shot()
    rates = METHODS["layer_decay"].rates(classifier.visual, context.methods)
    groups = parameter_groups(classifier, rates, 1.0, 0.05)
    share_of = {id(parameter): group["lr_mult"] for group in groups for parameter in group["params"]}
    named = dict(classifier.visual.named_parameters())
    decay = context.methods.layer_decay
    block = {share_of[id(named[name])] for name in named if name.startswith("transformer.resblocks.0.")}
    assert block == {decay}
    assert share_of[id(named["conv1.weight"])] == decay**2
    assert share_of[id(classifier.weight_CD)] == share_of[id(named["proj"])] == 1.0
    faster = parameter_groups(classifier, rates, 10, 0.05)
    (share,) = [group["lr_mult"] for group in faster if any(one is classifier.weight_CD for one in group["params"])]
    assert share == 10


def test_a_fraction_never_loses_a_class(data):
    for percent in (10.0, 50.0, 100.0):
        for seed in (0, 1):
            assert set(data.labels[data.fraction(percent, seed)]) == {0, 1, 2, 3}


def test_images_are_those_of_the_models_own_preprocessing(model, data, photos):
    """Theirs fed other pixels than CLIP was trained on."""
    import torch
    from PIL import Image

    from clip_pipeline.models.folder import load_model_folder

    _, preprocess, _ = load_model_folder(model)
    row = int(data.rows("test")[0])
    dataset = open_dataset(photos / "colours")
    path = photos / "colours" / "test" / "blue" / "blue00.png"
    assert dataset.read(dataset.ids.index(data.ids[row])) == path.read_bytes()
    with Image.open(path) as image:
        expected = preprocess(image)
    torch.testing.assert_close(data.pixels(data.images[row : row + 1], "cpu")[0], expected)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_weights_and_moments_are_fp32_even_from_a_model_of_half_precision(model, data, settings, tmp_path, precision):
    """fp16 weights under Adam became NaN: squares of small gradients are nought, and the step divides by them."""
    import shutil

    import torch
    from safetensors.torch import load_file, save_file

    half = tmp_path / "half"
    shutil.copytree(model, half)
    weights = load_file(half / "open_clip_model.safetensors")
    save_file({name: tensor.half() for name, tensor in weights.items()}, half / "open_clip_model.safetensors")
    context = TrialContext.open(str(half), data, replace(settings, precision=precision), EVALUATION, COMPUTE)
    made = []
    plain = torch.optim.AdamW.step
    torch.optim.AdamW.step = lambda self, *rest: (made.append(self), plain(self, *rest))[1]
    try:
        classifier, found = tuned(context)
    finally:
        torch.optim.AdamW.step = plain
    kinds = {value.dtype for state in made[-1].state.values() for value in state.values() if torch.is_tensor(value)}
    assert kinds == {torch.float32}
    assert {parameter.dtype for parameter in classifier.visual.parameters()} == {torch.float32}
    assert all(torch.isfinite(parameter).all() for parameter in classifier.visual.parameters())
    assert all(math.isfinite(row["validation_loss"]) for row in found.log)


def test_the_best_weights_on_validation_photos_are_kept_and_no_test_photo_chooses(context, monkeypatch):
    """Theirs had no validation split, so the last epoch, or the best on the test photos, was told."""
    looked_at = []
    plain = Classifier.features_of

    def watched(self, data, rows, *rest):
        looked_at.append(set(data.parts[rows]))
        return plain(self, data, rows, *rest)

    monkeypatch.setattr(Classifier, "features_of", watched)
    wild = replace(context.tuning, learning_rate=0.5, augmentation=replace(context.tuning.augmentation, crop_scale=1.0))
    classifier, found = tuned(context, wild)
    assert set().union(*looked_at) == {"validation"}
    scores = [(row["validation_top1"], -row["validation_loss"]) for row in found.log]
    kept = found.log[scores.index(max(scores))]
    assert kept["step"] == found.best_step
    from clip_pipeline.adaptation.fine_tuning import Validator

    assert Validator(context.data, "cpu", "fp32").score(classifier)["validation_top1"] == kept["validation_top1"]


def test_training_stops_when_validation_no_longer_improves(context):
    still = replace(context.tuning.augmentation, flip=False)
    waiting = replace(
        context.tuning,
        learning_rate=1e-9,
        min_steps=60,
        max_steps=60,
        validations=20,
        patience=2,
        augmentation=still,
    )
    _, found = tuned(context, waiting)
    assert found.steps < 60


def test_a_loss_that_is_not_finite_stops_with_what_to_do(context):
    import torch

    with torch.no_grad():
        context.visual.conv1.weight.fill_(float("nan"))
    with pytest.raises(TrainingError, match="Lower adaptation.learning_rate"):
        tuned(context)


def test_accuracy_is_no_whole_number(context, tmp_path):
    """Theirs was floored to percent."""
    run_trial(context, Trial("full", 50.0, 0), tmp_path / "trial")
    about = json.loads((tmp_path / "trial" / "trial.json").read_text())
    import pyarrow.parquet as pq

    table = pq.read_table(tmp_path / "trial" / "predictions.parquet")
    hits = sum(
        one == other for one, other in zip(table["label"].to_pylist(), table["predicted"].to_pylist(), strict=True)
    )
    assert about["scores"][0]["value"] == pytest.approx(hits / 20, abs=1e-6)


def test_photos_that_cannot_be_decoded_are_left_out_with_a_reason_and_the_split_stays(
    model, photos, settings, tmp_path
):
    import shutil

    import pyarrow.parquet as pq

    broken = tmp_path / "colours"
    shutil.copytree(photos / "colours", broken)
    (broken / "train/red/red03.png").write_bytes(b"no image")
    (broken / "train/red/notes.txt").write_text("not a photo")
    wanted = replace(settings, out_of_domain="")
    (tmp_path / "data").mkdir()
    facts = prepare_data(model, open_dataset(broken), None, wanted, COMPUTE, tmp_path / "data")
    assert facts["left_out"] == 1 and facts["test"] == 20
    rows = {row["id"]: row for row in pq.read_table(tmp_path / "data/photos.parquet").to_pylist()}
    (left,) = [row for row in rows.values() if row["part"] == "left_out"]
    assert "red03" in left["id"] and left["reason"]


def test_steps_follow_the_epochs_within_their_limits(settings):
    tuning = fine_tuning_of(replace(settings, epochs=3, batch_size=10, min_steps=5, max_steps=50))
    assert [tuning.schedule(photos).steps for photos in (4, 100, 1000)] == [5, 30, 50]
