"""benchmarks/pooling.py compares encoders that differ in nothing but how they pool."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def pooling(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    yield importlib.import_module("pooling")
    sys.modules.pop("pooling", None)


def test_configurations_differ_in_token_pooling_alone(pooling):
    configs = [pooling.config_of("laptop_vit", kind, 4, 2, "raster") for kind in pooling.KINDS]
    tables = [config["vision_cfg"].pop("token_pooling", None) for config in configs]
    assert all(config == configs[0] for config in configs)
    assert [table and table["kind"] for table in tables] == [None, *pooling.KINDS[1:-1], None]


def test_the_table_says_how_many_times_as_fast_as_plain_each_is(pooling):
    found = {measure: {"plain": [4.0, 5.0, 9.0], "tome": [2.0, 2.5, 3.0]} for measure in pooling.MEASURES}
    found["forward fp32"] = {"plain": [4.0]}
    lines = pooling.table("s", found, {"plain": 1.0, "tome": 0.5}, {"plain": "all", "tome": "65→17"}).splitlines()
    assert lines[3] == "| tome | 65→17 | 0.5 | – | 2.50 ms, 2.00× (2.00 to 3.00) | 2.50 ms, 2.00× (2.00 to 3.00) |"


def test_each_round_takes_every_encoder_once_and_the_first_does_not_count(pooling):
    taken: list[str] = []
    works = {kind: {"step bf16": lambda kind=kind: taken.append(kind)} for kind in ("plain", "tome")}
    found = pooling.measured(works, 3, 8)
    assert {kind: len(times) for kind, times in found["step bf16"].items()} == {"plain": 3, "tome": 3}
    assert len(taken) == 8 and all(set(taken[at : at + 2]) == {"plain", "tome"} for at in range(0, 8, 2))
