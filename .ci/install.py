"""Installs clip_pipeline, with the build of torch that fits this machine, into the environment whose Python runs this.

    .venv/bin/python .ci/install.py EXTRA      EXTRA is an extra of pyproject.toml: ui or dev

The environment variable TORCH says which build of torch:

    auto             the one for this machine (on Linux without an NVIDIA GPU that of the CPU), from PyTorch's own index by uv;
                     where uv or that index cannot be had, what pip finds
    cpu, cu130, ...  that one, by uv, or an error
    pip              what pip finds, as it is configured on this machine
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PIP_INSTALL = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
QUICK_ANSWER = {"UV_HTTP_RETRIES": "1", "UV_HTTP_CONNECT_TIMEOUT": "5", "UV_HTTP_TIMEOUT": "15"}


def main(extra: str) -> None:
    """Says which torch it takes and why, in one line, installs, and has compiled what the first command would wait for."""
    install(extra)
    if not _succeeds([sys.executable, "-m", "clip_pipeline.pipeline.compile_kernels"]):
        print("The first command that needs it compiles it.", flush=True)


def install(extra: str) -> None:
    """Says which torch it takes and why, in one line, and installs."""
    wanted = os.environ.get("TORCH") or "auto"
    installer, why = choose_torch(wanted, platform.system(), installed_torch(), find_torch_with_uv)
    print(why, flush=True)
    packages = ["-c", str(ROOT / "constraints.txt"), "-e", f"{ROOT}[{extra}]"]
    if installer == "uv":
        uv_install = [sys.executable, "-m", "uv", "pip", "install", "--python", sys.executable]
        if _succeeds([*uv_install, "--quiet", f"--torch-backend={wanted}", *packages]):
            return
        if wanted != "auto":
            sys.exit(f"uv could not install torch for {wanted}: its reason is above. TORCH=pip takes what pip finds.")
        print("uv could not install everything: its reason is above. pip goes on.", flush=True)
    if not _succeeds([*PIP_INSTALL, *packages]):
        sys.exit(
            "pip could not install clip_pipeline: its reason is above. Once that is settled, run the same command again."
        )


def choose_torch(wanted: str, system: str, installed: str, find: Callable[[str], tuple[str, str]]) -> tuple[str, str]:
    """("uv" or "pip", the sentence that says what is installed and why).

    wanted: TORCH; system: platform.system(); installed: the version of a torch that is here and may stay, else "".
    find: takes uv's name of a build ("auto", "cpu", ...); gives the version that uv would install and "", or "" and why there is none.
    Exits with a sentence where a build was asked for by name and cannot be had.
    """
    if installed:
        return "pip", f"torch {installed} is installed already and stays; pip installs the rest."
    if wanted == "pip":
        return "pip", "pip installs torch as it is configured here, since TORCH=pip."
    if wanted == "auto" and system == "Darwin":
        return "pip", "pip installs torch: for macOS there is only one build."
    version, why_not = find(wanted)
    if version:
        fits = "the build for this machine" if wanted == "auto" else f"since TORCH={wanted}"
        if wanted == "auto" and version.endswith("+cpu"):
            fits += ", which has no GPU"
        return "uv", f"uv installs torch {version} from PyTorch's own index, {fits}."
    if wanted != "auto":
        sys.exit(f"The build {wanted} of torch cannot be had: {why_not}. TORCH=pip takes what pip finds.")
    return (
        "pip",
        f"pip installs torch as it is configured here (on Linux that may be gigabytes for NVIDIA GPUs): {why_not}.",
    )


def installed_torch() -> str:
    """The version of the torch that is installed, where it is the one of constraints.txt; else ""."""
    constraint = re.search(r"^torch==(\S+)", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    try:
        version = importlib.metadata.version("torch")
    except importlib.metadata.PackageNotFoundError:
        return ""
    return version if constraint is None or version.partition("+")[0] == constraint[1] else ""


def find_torch_with_uv(build: str) -> tuple[str, str]:
    """Like `ask_uv`, with the uv of this environment, which is installed for it."""
    if not _succeeds([*PIP_INSTALL, "--retries", "1", "uv"], silent=True):
        return "", "uv, which picks the build, could not be installed"
    return ask_uv([sys.executable, "-m", "uv"], build)


def ask_uv(uv: list[str], build: str, seconds: float = 60) -> tuple[str, str]:
    """(version, "") of the torch that uv would install with its torchvision; ("", reason) where it has not both in that time. Installs nothing."""
    question = [*uv, "pip", "install", "--python", sys.executable, "--dry-run", f"--torch-backend={build}"]
    question += ["-c", str(ROOT / "constraints.txt"), "torch", "torchvision"]
    try:
        answer = subprocess.run(
            question, capture_output=True, text=True, env=os.environ | QUICK_ANSWER, timeout=seconds
        )
    except subprocess.TimeoutExpired:
        return "", f"PyTorch's own index did not answer within {seconds:g} s"
    found = re.search(r"^ \+ torch==(\S+)", answer.stdout + answer.stderr, re.MULTILINE)
    if answer.returncode == 0 and found:
        return found[1], ""
    return "", f"uv found no torch in PyTorch's own index ({_reason(answer.stderr)})"


def _reason(text: str) -> str:
    """What uv says went wrong, and the last of the causes that it lists."""
    lines = [line.strip() for line in text.splitlines()]
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    causes = [line.removeprefix("cause: ") for line in lines if line.startswith("cause: ")]
    return ": ".join(errors[:1] + causes[-1:]).rstrip(".") or "uv said nothing"


def _succeeds(command: list[str], silent: bool = False) -> bool:
    return subprocess.run(command, stderr=subprocess.DEVNULL if silent else None).returncode == 0


if __name__ == "__main__":
    main(*sys.argv[1:])
