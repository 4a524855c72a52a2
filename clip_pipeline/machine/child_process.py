"""What a process of ours that starts another one hands to it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

PACKAGE_HOME = Path(__file__).resolve().parents[2]
"""Where the package `clip_pipeline` lies: the checkout, or site-packages."""


def child_environment(more: Mapping[str, str]) -> dict[str, str]:
    """This process's environment with `more`, in which a child finds the same package whatever its folder."""
    paths = os.pathsep.join(filter(None, (str(PACKAGE_HOME), os.environ.get("PYTHONPATH"))))
    return os.environ | more | {"PYTHONPATH": paths}
