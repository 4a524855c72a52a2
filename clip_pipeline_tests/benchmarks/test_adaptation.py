"""The adaptation study's sizes, and the measurement of cached embeddings, on a small model."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def adaptation(monkeypatch):
    """benchmarks/adaptation.py as a module."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    yield importlib.import_module("adaptation")
    sys.modules.pop("adaptation", None)


def test_every_study_has_five_fractions_three_seeds_and_all_methods(adaptation, tmp_path):
    from clip_pipeline.adaptation.methods import METHODS
    from clip_pipeline.adaptation.sweep import sweep_trials

    for name in adaptation.STUDIES:
        trials = sweep_trials(adaptation.settings_of(name, tmp_path))
        assert {trial.method for trial in trials} == set(METHODS)
        assert len(trials) == 5 * (3 * (len(METHODS) - 1) + 1)


def test_a_probe_epoch_is_measured_three_ways(adaptation, tmp_path):
    from clip_pipeline_tests.adaptation.conftest import COLOURS, write_photos
    from clip_pipeline_tests.made.tiny_model import build_tiny_model

    write_photos(tmp_path / "photos/train", COLOURS, 9, seed=0)
    write_photos(tmp_path / "photos/test", COLOURS, 2, seed=1)
    model = build_tiny_model(tmp_path)
    given = ["cached", "--model", str(model), "--dataset", str(tmp_path / "photos"), "--threads", "1"]
    seconds = adaptation.measure_cached(adaptation.parse_arguments(given))
    assert list(seconds) == ["files", "decoded images", "embeddings"]
    assert seconds["files"] > seconds["embeddings"] > 0


def test_nothing_to_do_is_an_error_of_usage(adaptation, capsys):
    with pytest.raises(SystemExit):
        adaptation.parse_arguments(["study", "-o", "out"])
    assert "--model is needed" in capsys.readouterr().err
