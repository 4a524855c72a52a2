"""The wheel: what `pip install .` puts beside the libraries runs from an empty folder, without the checkout."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NOT_OURS = ("PYTHONPATH", "DAGSTER_HOME", "CLIP_PIPELINE_CACHE")
pytestmark = pytest.mark.slow  # the wheel is built and installed: five seconds


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Built from a copy, so that nothing is left in the checkout; the environment's own setuptools is used, and no network."""
    source = tmp_path_factory.mktemp("source")
    shutil.copytree(ROOT / "clip_pipeline", source / "clip_pipeline", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copyfile(ROOT / name, source / name)
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--no-build-isolation",
        "--no-deps",
        "--no-index",
        "-w",
        "dist",
        ".",
    ]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    (built,) = (source / "dist").glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    """The folder of programs of a fresh environment with the wheel in it; the libraries are those of the environment of the tests,
    whose own clip_pipeline is not seen: a line in a .pth adds a folder, and reads no .pth of it."""
    home = tmp_path_factory.mktemp("fresh") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", home], check=True)
    python = home / "bin" / "python"
    where = "import sysconfig; print(sysconfig.get_path('purelib'))"
    packages = Path(subprocess.run([python, "-c", where], check=True, capture_output=True, text=True).stdout.strip())
    (packages / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    command = [sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", wheel]
    subprocess.run(command, check=True, capture_output=True, env=_environment())
    _take_compiled_code_along(packages)
    return home / "bin"


def _take_compiled_code_along(packages: Path) -> None:
    """What numba compiled of these very sources in the checkout is found beside the installed ones: it is half of the time.

    numba knows a source by its time and size. Where the checkout has compiled nothing yet, the run compiles for itself.
    """
    for compiled in (ROOT / "clip_pipeline").rglob("*.nb[ci]"):
        source = compiled.parents[1] / f"{compiled.name.partition('.')[0]}.py"
        if source.exists():
            folder = packages / source.parent.relative_to(ROOT)
            os.utime(folder / source.name, ns=(source.stat().st_atime_ns, source.stat().st_mtime_ns))
            (folder / "__pycache__").mkdir(exist_ok=True)
            shutil.copyfile(compiled, folder / "__pycache__" / compiled.name)


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in NOT_OURS}


def run(program: Path, *arguments: object, folder: Path) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [program, *map(str, arguments)], cwd=folder, capture_output=True, text=True, env=_environment()
    )
    assert done.returncode == 0, done.stderr
    return done


def test_the_wheel_holds_the_package_its_data_and_no_test(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    held = {name for name in names if not name.split("/")[0].endswith(".dist-info")}
    wanted = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "clip_pipeline").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert held == wanted
    assert "clip_pipeline/py.typed" in held


def test_the_installed_package_is_the_wheels(installed, tmp_path):
    where = run(installed / "python", "-c", "import clip_pipeline; print(clip_pipeline.__file__)", folder=tmp_path)
    assert Path(where.stdout.strip()).is_relative_to(installed.parent)


def test_the_program_says_what_it_can_do_from_an_empty_folder(installed, tmp_path):
    assert "Pipeline:" in run(installed / "clip-pipeline", "--help", folder=tmp_path).stdout
    assert "sandbox_small" in run(installed / "clip-pipeline", "models", folder=tmp_path).stdout
    assert not any(tmp_path.iterdir())


def test_the_whole_pipeline_runs_from_an_empty_folder(installed, tmp_path):
    done = run(installed / "clip-pipeline", "run", "--recipe", "tiny", folder=tmp_path)
    assert "zero-shot, sandbox unseen" in done.stdout
    assert "adapted, sandbox unseen by " in done.stdout
    assert "clip-pipeline dev, then http" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
    model = tmp_path / "data" / "training" / "clip_checkpoint" / "tiny_test"
    assert json.loads((model / "open_clip_config.json").read_text())["model_cfg"]["embed_dim"] > 0
    assert (tmp_path / "data" / "evaluation" / "benchmark_report" / "report.html").is_file()
