"""The definitions of the tiny recipe, and an instance that knows its artifacts."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

dg = pytest.importorskip("dagster")

from clip_pipeline.pipeline.graph import STEPS  # noqa: E402
from clip_pipeline.pipeline.workspace import Workspace  # noqa: E402
from clip_pipeline.settings.recipes import find_recipe  # noqa: E402


@pytest.fixture
def data(tiny_data, tmp_path) -> Path:
    """A copy of the artifacts of the tiny run."""
    return Path(shutil.copytree(tiny_data, tmp_path / "data", copy_function=shutil.copy2))


@pytest.fixture
def definitions(monkeypatch, data):
    """The definitions of the tiny recipe on a copy of its artifacts."""
    monkeypatch.setenv("CLIP_PIPELINE_RECIPE", "tiny")
    monkeypatch.setenv("CLIP_PIPELINE_DATA", str(data))
    return load_definitions(monkeypatch)


def load_definitions(monkeypatch) -> dg.Definitions:
    """Those of the recipe in the environment now, as a page that starts loads them."""
    for name in [name for name in sys.modules if name.startswith(("clip_pipeline.defs", "clip_pipeline.definitions"))]:
        monkeypatch.delitem(sys.modules, name)  # the recipe is read when the definitions are made
    from clip_pipeline.definitions import defs

    return defs


@pytest.fixture
def instance(definitions, data):
    """An instance without runs that has looked at the data folder."""
    from clip_pipeline.defs.mirror.history import History

    with dg.DagsterInstance.ephemeral() as made, Workspace(data, find_recipe("tiny")) as workspace:
        History(made, workspace).mirror(STEPS.values())
        yield made
