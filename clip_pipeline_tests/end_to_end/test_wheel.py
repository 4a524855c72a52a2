"""The wheel: what `pip install .` puts beside the libraries runs from an empty folder, without the checkout."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from clip_pipeline_tests.made.installed_wheel import ROOT, built_wheel, installed_wheel, run_installed

pytestmark = pytest.mark.slow  # the wheel is built and installed: five seconds


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    return installed_wheel(tmp_path_factory)


def test_the_wheel_holds_the_package_its_data_and_no_test(tmp_path_factory):
    names = zipfile.ZipFile(built_wheel(tmp_path_factory)).namelist()
    held = {name for name in names if not name.split("/")[0].endswith(".dist-info")}
    wanted = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "clip_pipeline").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert held == wanted
    assert "clip_pipeline/py.typed" in held


def test_the_installed_package_is_the_wheels(installed, tmp_path):
    where = run_installed(
        installed / "python", "-c", "import clip_pipeline; print(clip_pipeline.__file__)", folder=tmp_path
    )
    assert Path(where.stdout.strip()).is_relative_to(installed.parent)


def test_the_program_says_what_it_can_do_from_an_empty_folder(installed, tmp_path):
    assert "Pipeline:" in run_installed(installed / "clip-pipeline", "--help", folder=tmp_path).stdout
    assert "sandbox_small" in run_installed(installed / "clip-pipeline", "models", folder=tmp_path).stdout
    assert not any(tmp_path.iterdir())


def test_the_whole_pipeline_runs_from_an_empty_folder(tiny_data):
    """Where this test runs, the tiny run that others read is that of the installed wheel: one whole run less."""
    said = (tiny_data.parent / "said.txt").read_text()
    assert "zero-shot, sandbox unseen" in said
    assert "adapted, sandbox unseen by " in said
    assert "clip-pipeline dev, then http" in said
    model = tiny_data / "training" / "clip_checkpoint" / "tiny_test"
    assert json.loads((model / "open_clip_config.json").read_text())["model_cfg"]["embed_dim"] > 0
    assert (tiny_data / "evaluation" / "benchmark_report" / "report.html").is_file()
