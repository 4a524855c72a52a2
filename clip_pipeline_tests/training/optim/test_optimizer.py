"""Decay, averaged weights, the cap of the logit scale."""

from __future__ import annotations

import math

import pytest
import torch

from clip_pipeline.models.registry import build_model, load_config
from clip_pipeline.training.optim.optimizer import (
    AveragedWeights,
    ClipOptimizer,
    OptimizerOptions,
    cap_logit_scale,
    make_optimizers,
    set_rates,
)


@pytest.fixture(scope="module")
def model():
    return build_model(load_config("tiny_test"))


def test_only_matrices_decay(model):
    (adamw,) = make_optimizers(model, OptimizerOptions(weight_decay=0.3))
    decayed, undecayed = adamw.param_groups
    assert (decayed["weight_decay"], undecayed["weight_decay"]) == (0.3, 0.0)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    kept = {names[id(p)] for p in undecayed["params"]}
    assert {"logit_scale", "positional_embedding", "visual.positional_embedding", "visual.class_embedding"} <= kept
    assert all(name.endswith(("bias", "embedding")) or "ln_" in name or name == "logit_scale" for name in kept)
    assert all(p.ndim >= 2 for p in decayed["params"])
    assert len(kept) + len(decayed["params"]) == len(names)


def test_muon_moves_the_hidden_matrices_and_adamw_the_rest(model):
    adamw, muon = make_optimizers(model, OptimizerOptions("muon", lr=1e-3, muon_lr=0.02, muon_decay=0.7))
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    by_muon = {names[id(p)] for p in muon.param_groups[0]["params"]}
    by_adamw = {names[id(p)] for group in adamw.param_groups for p in group["params"]}
    assert by_muon | by_adamw == set(names.values()) and not by_muon & by_adamw
    assert {name.partition("resblocks.0.")[2] for name in by_muon if "resblocks.0." in name} == {
        "attn.in_proj_weight", "attn.out_proj.weight", "mlp.c_fc.weight", "mlp.c_proj.weight",
    }  # fmt: skip
    assert {name for name in by_muon if "resblocks" not in name} == {"visual.conv1.weight"}
    set_rates([adamw, muon], 0.5e-3)
    assert [group["lr"] for group in adamw.param_groups] == [0.5e-3, 0.5e-3]
    assert muon.param_groups[0]["lr"] == pytest.approx(0.01)
    assert muon.param_groups[0]["weight_decay"] == 0.7


def test_the_temperature_is_a_parameter_and_its_inverse_stays_within_100(model):
    assert isinstance(model.logit_scale, torch.nn.Parameter)
    assert float(model.logit_scale.detach().exp()) == pytest.approx(1 / 0.07)
    for value, expected in ((9.0, 100.0), (-3.0, 1.0), (2.0, math.exp(2))):
        model.logit_scale.data.fill_(value)
        cap_logit_scale(model, 100.0)
        assert float(model.logit_scale.detach().exp()) == pytest.approx(expected, rel=1e-5)


def test_averaged_weights_follow_the_formula_and_copy_counters():
    layer = torch.nn.BatchNorm1d(1)
    averaged = AveragedWeights(layer, 0.9)
    expected = 1.0
    for step, value in enumerate((2.0, 3.0), start=1):
        layer.weight.data.fill_(value)
        layer.num_batches_tracked.fill_(step)
        averaged.update()
        decay = min(0.9, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * value
    assert float(averaged.weights["weight"]) == pytest.approx(expected, rel=1e-6)
    assert int(averaged.weights["num_batches_tracked"]) == 2


def test_a_step_clips_the_gradients_moves_the_weights_and_caps_the_scale():
    model = build_model(load_config("tiny_test"))
    options = OptimizerOptions(lr=1e-3, weight_decay=0.0, grad_clip_norm=0.5, max_logit_scale=14.0)
    optimizer = ClipOptimizer(model, model, options)
    before = model.visual.proj.detach().clone()
    model.visual.proj.grad = torch.full_like(model.visual.proj, 3.0)
    norm = optimizer.step(2e-3)
    assert norm == pytest.approx(3.0 * before.numel() ** 0.5)
    assert float(model.visual.proj.grad.norm()) == pytest.approx(0.5)
    assert (before - model.visual.proj).detach().numpy() == pytest.approx(2e-3, rel=1e-2), (
        "Adam's first step is the rate"
    )
    assert float(model.logit_scale.detach().exp()) == pytest.approx(14.0)
    optimizer.zero_grad()
    assert model.visual.proj.grad is None
    assert set(optimizer.state_dict()) == {"optimizers", "scaler"}
