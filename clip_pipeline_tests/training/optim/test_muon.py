"""Muon beside torch's own for matrices, singular values beside a decomposition, kernels, and queries."""

from __future__ import annotations

import copy

import pytest
import torch

from clip_pipeline.models.registry import build_model, load_config
from clip_pipeline.training.optim.muon import is_hidden_matrix, muon_class, orthogonalised

Muon = muon_class()


@pytest.mark.parametrize(("rows", "columns"), [(24, 24), (12, 60), (60, 12)])
def test_singular_values_come_near_one_and_singular_vectors_stay(rows, columns):
    torch.manual_seed(rows)
    matrix = torch.randn(rows, columns) * 1e-4
    found = orthogonalised(matrix)
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    turned = left.T @ found @ right.T  # diagonal when the singular vectors are the same
    off_diagonal = turned - turned.diag().diag()
    assert off_diagonal.abs().max() < 1e-3
    values = turned.diag()
    assert values.max() < 1.25
    assert (values > 0.65).float().mean() > 0.9  # the smallest values of a square matrix would need more steps


@pytest.mark.parametrize("shape", [(32, 48), (48, 32), (20, 20)])
def test_steps_equal_those_of_torch_muon(shape):
    torch.manual_seed(1)
    ours = torch.nn.Parameter(torch.randn(shape))
    theirs = copy.deepcopy(ours)
    one, other = Muon([ours], lr=0.02, weight_decay=0.1), torch.optim.Muon([theirs], lr=0.02, weight_decay=0.1)
    for _ in range(4):
        gradient = torch.randn(shape)
        ours.grad, theirs.grad = gradient.clone(), gradient.clone()
        one.step()
        other.step()
    # theirs adds gradients up where ours averages them: the same direction, rounded elsewhere
    moved = (theirs - ours).norm() / (0.02 * 4 * min(shape) ** 0.5)
    assert moved < 0.02


def test_a_kernel_is_a_matrix_of_its_outputs():
    torch.manual_seed(2)
    kernel = torch.nn.Parameter(torch.zeros(8, 3, 3, 3))
    optimizer = Muon([kernel], lr=0.5, weight_decay=0.0)
    kernel.grad = torch.randn(8, 3, 3, 3)
    optimizer.step()
    values = torch.linalg.svdvals(kernel.detach().reshape(8, 27))
    assert values.min() > 0.3 and values.max() < 0.65  # half of 0.7 to 1.2


def test_small_gradients_of_queries_move_them_little():
    torch.manual_seed(3)
    stacked = torch.nn.Parameter(torch.zeros(24, 8))
    optimizer = Muon([stacked], lr=1.0, weight_decay=0.0)
    stacked.grad = torch.randn(24, 8)
    stacked.grad[:8] /= 1000
    optimizer.step()
    queries, _, values = (part.norm().item() for part in stacked.detach().chunk(3))
    assert queries < 0.01 * values


def test_the_momentum_is_part_of_the_state():
    torch.manual_seed(4)
    start = torch.randn(6, 9)
    gradients = torch.randn(4, 6, 9)

    def run(*stops: int) -> torch.Tensor:
        weight = torch.nn.Parameter(start.clone())
        optimizer = Muon([weight], lr=0.1, weight_decay=0.1)
        for step, gradient in enumerate(gradients):
            if step in stops:
                state = copy.deepcopy(optimizer.state_dict())
                optimizer = Muon([weight], lr=0.1, weight_decay=0.1)
                optimizer.load_state_dict(state)
            weight.grad = gradient.clone()
            optimizer.step()
        return weight.detach()

    assert torch.equal(run(), run(1, 3))


def test_it_is_an_optimizer_like_any_of_torch(tmp_path):
    """Its state has the standard form and outlives a file; schedulers, hooks and groups work as with others."""
    torch.manual_seed(5)
    weights = [torch.nn.Parameter(torch.randn(6, 9)) for _ in range(2)]
    optimizer = Muon([{"params": weights[:1]}, {"params": weights[1:], "lr": 0.01}], lr=0.1, weight_decay=0.2)
    assert isinstance(optimizer, torch.optim.Optimizer)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.5**step)
    calls = []
    optimizer.register_step_post_hook(lambda *_: calls.append(1))
    assert optimizer.step(lambda: sum((weight**2).sum() for weight in weights)).item() > 0
    sum((weight**2).sum() for weight in weights).backward()
    optimizer.step()
    scheduler.step()
    assert calls == [1, 1] and [group["lr"] for group in optimizer.param_groups] == [0.05, 0.005]
    torch.save(optimizer.state_dict(), tmp_path / "state.pt")
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    assert set(state) == {"state", "param_groups"} and set(state["state"]) == {0, 1}
    assert [group["params"] for group in state["param_groups"]] == [[0], [1]]
    assert torch.equal(state["state"][1]["momentum_buffer"], weights[1].grad * (1 - 0.95))
    optimizer.zero_grad()
    assert all(weight.grad is None for weight in weights)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("sandbox_small", {"visual.conv1.weight", "visual.layer4.0.conv2.weight", "visual.attnpool.q_proj.weight"}),
        ("laptop_small", {"visual.trunk.conv1.0.weight", "visual.trunk.layer4.0.downsample.1.weight"}),
        ("laptop_vit", {"visual.conv1.weight", "transformer.resblocks.0.attn.in_proj_weight"}),
    ],
)
def test_tables_and_projections_into_the_common_space_are_not_hidden(model, expected):
    built = build_model(load_config(model))
    hidden = {name for name, parameter in built.named_parameters() if is_hidden_matrix(name, parameter)}
    assert expected <= hidden
    rest = {name for name, parameter in built.named_parameters() if parameter.ndim >= 2} - hidden
    assert {"token_embedding.weight", "text_projection"} <= rest
    assert all("embedding" in name or "proj" in name for name in rest)
