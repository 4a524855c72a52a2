"""Batch norms in several processes, against torch's own over the whole batch."""

from __future__ import annotations

import copy
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest
import torch

from clip_pipeline.models.registry import build_model, load_config
from clip_pipeline.models.torchvision_operators import define_missing_operators
from clip_pipeline.training.distributed import ONE_PROCESS, Processes
from clip_pipeline.training.model.batch_norms import has_batch_norms, share_batch_norms


@dataclass
class Meeting:
    """Where two threads, in the place of processes, put what they have and take what all have."""

    brought: list = field(default_factory=lambda: [None, None])
    barrier: threading.Barrier = field(default_factory=lambda: threading.Barrier(2, timeout=60))


@dataclass(frozen=True)
class Thread(Processes):
    meeting: Meeting = field(default_factory=Meeting)

    def gathered(self, mine):
        self.meeting.brought[self.rank] = mine.detach()
        self.meeting.barrier.wait()
        together = torch.cat(self.meeting.brought)
        self.meeting.barrier.wait()
        return together


def small_encoder() -> torch.nn.Module:
    """Two norms, so that the first one's gradient comes through the second."""
    torch.manual_seed(0)
    encoder = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.GELU(), torch.nn.Conv2d(4, 5, 2), torch.nn.BatchNorm2d(5)
    )  # fmt: skip
    with torch.no_grad():
        for name, parameter in encoder.named_parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3) if "bias" in name else None
    return encoder


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_two_shares_are_normalised_as_their_batch_and_so_is_the_gradient(dtype):
    whole, batch = small_encoder(), torch.randn(8, 3, 7, 7) * 2 + 1
    wanted = torch.randn(8, 5, 4, 4)
    meeting = Meeting()
    shares = [copy.deepcopy(whole) for _ in range(2)]
    images = [batch[:4].clone().requires_grad_(), batch[4:].clone().requires_grad_()]

    def step(rank: int) -> torch.Tensor:
        encoder = shares[rank]
        share_batch_norms(encoder, Thread(rank, 2, meeting))
        with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
            out = encoder(images[rank])
        (out.float() * wanted[rank * 4 : rank * 4 + 4]).sum().backward()
        return out

    batch = batch.clone().requires_grad_()
    with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
        expected = whole(batch)
    (expected.float() * wanted).sum().backward()
    with ThreadPoolExecutor(2) as pool:
        found = torch.cat(list(pool.map(step, range(2))))
    near = {"atol": 1e-5, "rtol": 1e-4} if dtype == torch.float32 else {"atol": 0.2, "rtol": 0.1}
    assert torch.allclose(found, expected, **near)
    assert torch.allclose(torch.cat([share.grad for share in images]), batch.grad, **near)
    for name, parameter in whole.named_parameters():
        total = sum(dict(share.named_parameters())[name].grad for share in shares)
        # a bias before a norm has no gradient but for rounding
        assert torch.allclose(total, parameter.grad, atol=max(near["atol"], 1e-4), rtol=near["rtol"]), name
    for name, buffer in whole.named_buffers():
        for share in shares:
            assert torch.allclose(share.state_dict()[name].float(), buffer.float(), **near), name


def test_a_norm_of_timm_that_holds_an_activation_keeps_it():
    define_missing_operators()
    from timm.layers import BatchNormAct2d

    batch, meeting = torch.randn(8, 3, 5, 5), Meeting()
    whole = BatchNormAct2d(3, act_layer=torch.nn.ReLU)
    shares = [copy.deepcopy(whole) for _ in range(2)]
    for rank, share in enumerate(shares):
        share_batch_norms(share, Thread(rank, 2, meeting))
    expected = whole(batch)
    with ThreadPoolExecutor(2) as pool:
        found = torch.cat(list(pool.map(lambda rank: shares[rank](batch[4 * rank : 4 * rank + 4]), range(2))))
    assert (expected == 0).any() and torch.allclose(found, expected, atol=1e-5)
    assert torch.allclose(shares[1].running_var, whole.running_var, atol=1e-5)


def test_alone_and_in_evaluation_nothing_changes():
    encoder, batch = small_encoder(), torch.randn(4, 3, 7, 7)
    expected = copy.deepcopy(encoder)(batch)
    share_batch_norms(encoder, ONE_PROCESS)
    assert torch.equal(encoder(batch), expected)
    encoder.eval()
    expected = encoder(batch)
    share_batch_norms(encoder, Processes(0, 2))  # would wait for the other process if it asked it
    assert torch.equal(encoder(batch), expected)


def test_all_norms_of_a_resnet_share_and_keep_the_names_of_their_weights():
    model = build_model(load_config("sandbox_small"))
    names = list(model.state_dict())
    share_batch_norms(model, Processes(1, 2))
    norms = [module for module in model.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    assert len(norms) > 10 and all("forward" in vars(norm) for norm in norms)
    assert list(model.state_dict()) == names
    assert has_batch_norms(model) and not has_batch_norms(build_model(load_config("tiny_test")))
