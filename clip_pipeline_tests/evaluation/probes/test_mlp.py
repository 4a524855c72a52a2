"""The MLP probe of the reference, without its faults."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from clip_pipeline.errors import ShapeError
from clip_pipeline.evaluation.probes import mlp
from clip_pipeline.evaluation.probes.mlp import train_mlp_probe
from clip_pipeline.settings import ProbeSettings
from clip_pipeline_tests.evaluation.probes.fakes import clusters, cone


def test_the_layers_are_120_and_84_sigmoids():
    layers = mlp._layers(512, 10)
    assert [tuple(parameter.shape) for parameter in layers.parameters()] == [
        (120, 512), (120,), (84, 120), (84,), (10, 84), (10,)
    ]  # fmt: skip
    assert [type(layer).__name__ for layer in layers] == ["Linear", "Sigmoid", "Linear", "Sigmoid", "Linear"]


def test_every_row_is_seen_once_an_epoch_and_raw_logits_reach_the_loss(monkeypatch):
    seen: list[tuple[torch.Tensor, torch.Tensor]] = []
    inner = torch.nn.functional.cross_entropy

    def watched(logits, labels):
        seen.append((logits.detach(), labels))
        return inner(logits, labels)

    monkeypatch.setattr(torch.nn.functional, "cross_entropy", watched)
    features, labels = np.random.default_rng(0).normal(size=(1000, 8)), np.arange(1000)
    train_mlp_probe(features, labels, 1000, ProbeSettings(mlp_epochs=2, mlp_batch_size=300))
    assert [len(batch) for _, batch in seen] == [300, 300, 300, 100] * 2
    epochs = [torch.cat([batch for _, batch in seen[start : start + 4]]) for start in (0, 4)]
    for epoch in epochs:
        assert torch.equal(epoch.sort().values, torch.arange(1000))
    assert not torch.equal(*epochs)
    assert any(bool((logits < 0).any()) for logits, _ in seen)  # no softmax


@pytest.mark.slow
def test_clusters_are_learnt_and_shuffled_labels_are_not():
    features, labels = cone(4, 300, noise=0.3)
    test = np.arange(len(labels)) % 3 == 0
    settings = ProbeSettings(mlp_epochs=30, mlp_batch_size=32)
    head = train_mlp_probe(features[~test], labels[~test], 4, settings)
    assert (head.predict(features[test]) == labels[test]).mean() > 0.97
    shuffled = np.random.default_rng(0).permutation(labels)
    head = train_mlp_probe(features[~test], shuffled[~test], 4, ProbeSettings(mlp_epochs=5, mlp_batch_size=32))
    assert abs((head.predict(features[test]) == shuffled[test]).mean() - 0.25) < 0.1


def test_the_seed_decides_and_the_random_numbers_of_others_are_left_alone():
    features, labels = clusters(3, 20, 0.5)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    heads = [train_mlp_probe(features, labels, 3, ProbeSettings(mlp_epochs=2, seed=seed)) for seed in (0, 0, 1)]
    assert torch.equal(before, torch.get_rng_state())
    one, same, other = (head.scores(features) for head in heads)
    assert (one == same).all() and (one != other).any()


def test_a_dimension_that_does_not_vary_is_no_hindrance():
    features, labels = clusters(3, 20, 0.5)
    features[:, 0] = 7
    assert np.isfinite(train_mlp_probe(features, labels, 3, ProbeSettings(mlp_epochs=1)).scores(features)).all()


def test_vectors_of_another_model_and_vectors_that_are_not_finite_are_told():
    features, labels = clusters(3, 20, 0.5)
    head = train_mlp_probe(features, labels, 3, ProbeSettings(mlp_epochs=1))
    with pytest.raises(ShapeError, match="They are of another model"):
        head.predict(features[:, :5])
    features[3] = np.inf
    with pytest.raises(ShapeError, match="not finite, the first is row 3"):
        train_mlp_probe(features, labels, 3, ProbeSettings(mlp_epochs=1))
