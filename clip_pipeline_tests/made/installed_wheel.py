"""The wheel of this checkout, installed in a fresh environment: made once for all tests."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from clip_pipeline_tests.made.once import made_once

ROOT = Path(__file__).resolve().parents[2]
NOT_OURS = ("PYTHONPATH", "DAGSTER_HOME", "CLIP_PIPELINE_CACHE")


def built_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, so that nothing is left in the checkout; the environment's own setuptools is used, and no network."""
    (built,) = (made_once(tmp_path_factory, "wheel", _build) / "dist").glob("*.whl")
    return built


def installed_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of programs of a fresh environment with the wheel in it; the libraries are those of the environment of the tests,
    whose own clip_pipeline is not seen: a line in a .pth adds a folder, and reads no .pth of it."""
    wheel = built_wheel(tmp_path_factory)
    return made_once(tmp_path_factory, "fresh-environment", lambda folder: _install(wheel, folder)) / "bin"


def run_installed(program: Path, *arguments: object, folder: Path) -> subprocess.CompletedProcess[str]:
    """The program's end, in a folder; the checkout is not seen. Fails where the program does."""
    command = [program, *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=_environment())
    assert done.returncode == 0, done.stderr
    return done


def run_tiny_recipe(programs: Path, folder: Path) -> None:
    """The tiny recipe from an empty folder into `folder`/data; what the program says is `folder`/said.txt.

    What numba compiled of these very sources is taken along, and back: it is half of the time.
    """
    packages = packages_of(programs.parent)
    _share_compiled_code(ROOT, packages)
    done = run_installed(programs / "clip-pipeline", "run", "--recipe", "tiny", folder=folder)
    assert [path.name for path in folder.iterdir()] == ["data"]
    (folder / "said.txt").write_text(done.stdout)
    _share_compiled_code(packages, ROOT)


def _build(folder: Path) -> None:
    shutil.copytree(ROOT / "clip_pipeline", folder / "clip_pipeline", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copyfile(ROOT / name, folder / name)
    options = ["--no-build-isolation", "--no-deps", "--no-index", "-w", "dist"]
    subprocess.run([sys.executable, "-m", "pip", "wheel", *options, "."], cwd=folder, check=True, capture_output=True)


def _install(wheel: Path, home: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", home], check=True)
    python, packages = home / "bin" / "python", packages_of(home)
    (packages / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    options = ["--no-deps", "--no-index", "--no-compile"]
    command = [sys.executable, "-m", "pip", "--python", python, "install", *options, wheel]
    subprocess.run(command, check=True, capture_output=True, env=_environment())
    for source in (packages / "clip_pipeline").rglob("*.py"):  # numba knows a source by its time and size
        times = (ROOT / source.relative_to(packages)).stat()
        os.utime(source, ns=(times.st_atime_ns, times.st_mtime_ns))


def packages_of(home: Path) -> Path:
    """Where an environment has its packages."""
    (packages,) = (home / "lib").glob("python*/site-packages")
    return packages


def _share_compiled_code(here: Path, there: Path) -> None:
    for compiled in (here / "clip_pipeline").rglob("*.nb[ci]"):
        target = there / compiled.relative_to(here)
        if target.parents[1].is_dir() and not (target.exists() and target.stat().st_mtime >= compiled.stat().st_mtime):
            target.parent.mkdir(exist_ok=True)
            shutil.copyfile(compiled, target)


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in NOT_OURS}
