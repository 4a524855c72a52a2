"""benchmarks/language.py: every part on a short text with small models, twice."""

from __future__ import annotations

import dataclasses
import importlib
import json
import random
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
SEEDED, ONCE = ("none@2", "whitespace"), ("fixed@3",)


@pytest.fixture
def language(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    module = importlib.import_module("language")
    settings = module.settings_of
    small = {"layers": "1,1,1", "width": 16, "context": 32, "validation_characters": 200}
    monkeypatch.setattr(module, "settings_of", lambda **changes: dataclasses.replace(settings(**changes), **small))
    for name, value in {
        "SEEDED": SEEDED, "ONCE": ONCE, "TIMED": (*SEEDED, *ONCE, "none@6"), "RATES": ("gumbel@3",), "LONG": ("whitespace", "none@2"),
        "ROUNDS": 1, "SPEED_STEPS": 1, "SEEDS": 2, "CODED": (4, 20),
    }.items():  # fmt: skip
        monkeypatch.setattr(module, name, value)
    yield module
    sys.modules.pop("language", None)


def test_trainings_are_made_once_compared_and_coded(language, tmp_path, capsys):
    draws = random.Random(0)
    text = tmp_path / "text"
    text.write_text(" ".join(draws.choice(("a", "cat", "and", "the", "dog", "ran")) for _ in range(9000)))
    arguments = [
        str(text),
        "--minutes",
        "0.002",
        "--long-minutes",
        "0.004",
        "--rate-minutes",
        "0.002",
        "--out",
        str(tmp_path / "out"),
    ]
    parts = ["minutes", "long", "rates", "characters", "coder", "report"]
    language.main([*arguments, "--parts", *parts])
    said = capsys.readouterr().out
    assert {path.name for path in (tmp_path / "out/minutes").iterdir()} == {
        "none@2-0", "none@2-1", "whitespace-0", "whitespace-1", "fixed@3-0",
    }  # fmt: skip
    coded = json.loads((tmp_path / "out/coder.json").read_text())
    assert coded["came back"] and coded["characters"] == 80 and abs(coded["more than claimed"]) < 0.05
    assert "whitespace beside none@2" in said and "| rates | gumbel@3-0 | 3 |" in said
    assert (tmp_path / "out/report/minutes/bits.png").stat().st_size > 1000
    steps = {path: path.read_bytes() for path in (tmp_path / "out").glob("*/*/model.safetensors")}
    language.main([*arguments, "--parts", "minutes", "long", "rates", "characters"])
    assert capsys.readouterr().out == "", "nothing is trained twice"
    assert steps == {path: path.read_bytes() for path in (tmp_path / "out").glob("*/*/model.safetensors")}


def test_the_table_of_times_says_how_many_times_as_fast_as_plain_layers(language, capsys):
    step = {"none@6": [400.0, 500.0, 900.0], "whitespace": [200.0, 250.0, 300.0]}
    language.print_speed({"step": step, "forward": {"none@6": [100.0]}, "megabytes": {"whitespace": 587.4}})
    assert capsys.readouterr().out.splitlines()[-1] == "| whitespace | 250 ms, 2.00× (200 to 300) | – | 587 MB |"
