"""The compact inverse Hessian, against the two loops of the textbook and against a quadratic function."""

from __future__ import annotations

import torch

from clip_pipeline.evaluation.probes.lbfgs_memory import MAX_PAIRS, InverseHessian, LbfgsMemory


def two_loops(gradient, steps, changes, diagonal):
    """Nocedal and Wright, Numerical Optimization, algorithm 7.4."""
    result, factors = gradient.clone(), []
    for step, change in zip(reversed(steps), reversed(changes), strict=True):
        factors.append((step @ result) / (step @ change))
        result = result - factors[-1] * change
    result = result * ((steps[-1] @ changes[-1]) / (changes[-1] @ (changes[-1] / diagonal))) / diagonal
    for step, change, factor in zip(steps, changes, reversed(factors), strict=True):
        result = result + (factor - (change @ result) / (step @ change)) * step
    return result


def random_pairs(count: int, size: int = 30):
    generator = torch.Generator().manual_seed(0)
    steps = torch.randn(count, size, dtype=torch.float64, generator=generator)
    root = torch.randn(size, size, dtype=torch.float64, generator=generator)
    hessian = root @ root.T + torch.eye(size)
    return steps, steps @ hessian, hessian


def test_it_is_what_two_loops_give_also_when_old_pairs_have_gone_and_the_penalty_changes():
    steps, changes, hessian = random_pairs(MAX_PAIRS + 7)
    diagonal, gradient = hessian.diagonal().clone(), torch.arange(30, dtype=torch.float64)
    memory = LbfgsMemory(30)
    first = InverseHessian(memory, torch.zeros(30, dtype=torch.float64), diagonal)
    assert torch.equal(first.times(gradient), gradient / diagonal)
    for row in range(len(steps)):
        first.add(steps[row], changes[row])
        kept = slice(max(0, row + 1 - MAX_PAIRS), row + 1)
        assert torch.allclose(
            first.times(gradient), two_loops(gradient, list(steps[kept]), list(changes[kept]), diagonal)
        )
    weight = torch.full((30,), 0.7, dtype=torch.float64)
    second = InverseHessian(memory, weight, diagonal + 0.7)
    with_penalty = [change + 0.7 * step for step, change in zip(steps[-MAX_PAIRS:], changes[-MAX_PAIRS:], strict=True)]
    expected = two_loops(gradient, list(steps[-MAX_PAIRS:]), with_penalty, diagonal + 0.7)
    assert torch.allclose(second.times(gradient), expected)


def test_the_last_change_is_turned_back_into_its_step():
    steps, changes, hessian = random_pairs(5)
    inverse = InverseHessian(LbfgsMemory(30), torch.zeros(30, dtype=torch.float64), hessian.diagonal().clone())
    for step, change in zip(steps, changes, strict=True):
        inverse.add(step, change)
    assert torch.allclose(inverse.times(changes[-1]), steps[-1])


def test_a_step_without_curvature_is_not_learnt_from():
    inverse = InverseHessian(LbfgsMemory(3), torch.zeros(3, dtype=torch.float64), torch.ones(3, dtype=torch.float64))
    step = torch.tensor([1.0, 0, 0], dtype=torch.float64)
    inverse.add(step, -step)
    assert torch.equal(inverse.times(step), step)
