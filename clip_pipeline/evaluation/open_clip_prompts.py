"""open_clip's names and templates of ImageNet, without loading open_clip: the package behind them takes seconds, and torch."""

from __future__ import annotations

import functools
import importlib.util
from pathlib import Path
from typing import Any

from clip_pipeline.errors import DatasetError


@functools.cache
def open_clip_prompts() -> Any:
    """The module with IMAGENET_CLASSNAMES, OPENAI_IMAGENET_TEMPLATES and SIMPLE_IMAGENET_TEMPLATES."""
    spec = importlib.util.spec_from_file_location("_prompts", package_file("open_clip", "zero_shot_metadata.py"))
    if spec is None or spec.loader is None:
        raise DatasetError("open_clip's names of ImageNet cannot be loaded. Install open_clip_torch again.")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def package_file(package: str, name: str) -> Path:
    """A file inside an installed package, without importing the package. Raises DatasetError where it is not there."""
    spec = importlib.util.find_spec(package)
    for place in (spec.submodule_search_locations or []) if spec else []:
        if (path := Path(place, name)).is_file():
            return path
    raise DatasetError(f"{name} of {package} is not there. Install the versions of constraints.txt.")
