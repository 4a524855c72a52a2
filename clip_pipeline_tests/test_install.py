"""Which torch `make` installs, and what it says about it."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def install() -> ModuleType:
    spec = importlib.util.spec_from_file_location("install", ROOT / ".ci/install.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def found(version: str):
    return lambda build: (version, "")


def not_found(build: str) -> tuple[str, str]:
    return "", "uv found no torch in PyTorch's own index (no route to the host)"


def unasked(build: str) -> tuple[str, str]:
    raise AssertionError("uv is not asked here")


@pytest.mark.parametrize(
    ("wanted", "system", "installed", "find", "installer", "said"),
    [
        (
            "auto",
            "Linux",
            "",
            found("2.13.0+cpu"),
            "uv",
            r"2.13.0\+cpu .* the build for this machine, which has no GPU",
        ),
        ("auto", "Linux", "", found("2.13.0+cu130"), "uv", r"2.13.0\+cu130 .* the build for this machine\.$"),
        (
            "auto",
            "Linux",
            "",
            not_found,
            "pip",
            "gigabytes for NVIDIA GPUs.*: uv found no torch .*no route to the host",
        ),
        ("auto", "Darwin", "", unasked, "pip", "for macOS there is only one build"),
        ("auto", "Linux", "2.13.0+cpu", unasked, "pip", r"torch 2.13.0\+cpu is installed already and stays"),
        ("cpu", "Linux", "", found("2.13.0+cpu"), "uv", "since TORCH=cpu"),
        ("pip", "Linux", "", unasked, "pip", "as it is configured here, since TORCH=pip"),
    ],
)
def test_the_installer_and_the_reason_follow_from_the_wish_and_the_machine(
    install, wanted, system, installed, find, installer, said
):
    chosen, why = install.choose_torch(wanted, system, installed, find)
    assert chosen == installer
    assert re.search(said, why) and "\n" not in why


def test_a_build_asked_for_by_name_that_cannot_be_had_stops_with_a_sentence(install):
    with pytest.raises(
        SystemExit, match=r"The build cu130 of torch cannot be had: .*no route.* TORCH=pip takes what pip finds"
    ):
        install.choose_torch("cu130", "Linux", "", not_found)


def answering(tmp_path: Path, program: str) -> list[str]:
    """A command that stands in the place of uv."""
    (tmp_path / "uv.py").write_text(program)
    return [sys.executable, str(tmp_path / "uv.py")]


def test_uv_is_asked_without_installing_and_its_version_is_read(install, tmp_path):
    program = """
import os, sys
assert sys.argv[1:3] == ["pip", "install"] and "--dry-run" in sys.argv and "--torch-backend=auto" in sys.argv, sys.argv
assert sys.argv[-2:] == ["torch", "torchvision"] and os.environ["UV_HTTP_RETRIES"] == "1"
print("Would install 2 packages\\n + numpy==2.4.6\\n + torch==2.13.0+cpu", file=sys.stderr)
"""
    assert install.ask_uv(answering(tmp_path, program), "auto") == ("2.13.0+cpu", "")


def test_what_uv_says_went_wrong_is_part_of_the_reason(install, tmp_path):
    program = """
import sys
sys.exit("error: Failed to fetch: https://index/torch/\\n  cause: client error\\n  cause: no such host")
"""
    version, why = install.ask_uv(answering(tmp_path, program), "auto")
    assert version == ""
    assert why == "uv found no torch in PyTorch's own index (Failed to fetch: https://index/torch/: no such host)"


def test_an_index_that_never_answers_is_not_waited_for(install, tmp_path):
    version, why = install.ask_uv(answering(tmp_path, "import time; time.sleep(60)"), "auto", seconds=0.5)
    assert (version, why) == ("", "PyTorch's own index did not answer within 0.5 s")


def test_a_torch_of_another_version_than_the_constraint_does_not_stay(install, monkeypatch):
    constraint = re.search(r"^torch==(.+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    assert constraint
    for version, stays in ((constraint[1], True), (f"{constraint[1]}+cu130", True), ("1.0.0", False)):
        monkeypatch.setattr(install.importlib.metadata, "version", lambda name, version=version: version)
        assert install.installed_torch() == (version if stays else "")
