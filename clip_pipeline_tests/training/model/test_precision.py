"""Precision and threads."""

from __future__ import annotations

import torch

from clip_pipeline.machine.cores import usable_cores
from clip_pipeline.training.model.precision import (
    choose_precision,
    count_threads,
    reproducible_arithmetic,
)


def test_auto_takes_bf16_only_where_the_processor_has_it(monkeypatch):
    assert choose_precision("bf16", "cpu") == "bf16"
    assert choose_precision("fp32", "cpu") == "fp32"
    for there, expected in ((True, "bf16"), (False, "fp32")):
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda there=there: there)
        assert choose_precision("auto", "cpu") == (expected if torch.backends.mkldnn.is_available() else "fp32")
    assert choose_precision("auto", "mps") == "fp32"


def test_threads_are_the_setting_or_the_cores():
    assert count_threads(3, processes=2) == 3
    assert count_threads() == usable_cores()
    assert count_threads(processes=10_000) == 1


def test_new_memory_is_not_filled_before_an_operation_writes_to_it():
    before = torch.utils.deterministic.fill_uninitialized_memory
    with reproducible_arithmetic(0, "cpu", 1):
        assert torch.are_deterministic_algorithms_enabled()
        assert not torch.utils.deterministic.fill_uninitialized_memory
    assert torch.utils.deterministic.fill_uninitialized_memory == before
