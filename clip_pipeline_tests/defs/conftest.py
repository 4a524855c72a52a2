"""The definitions of the tiny recipe, and an instance that knows its artifacts."""

from __future__ import annotations

import contextlib
import shutil
import sys
from collections.abc import Iterator
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


@contextlib.contextmanager
def page_in_this_process(instance: dg.DagsterInstance) -> Iterator:
    """The code location as the page and the daemon know it, without a process of its own."""
    from dagster._core.remote_origin import InProcessCodeLocationOrigin
    from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
    from dagster._core.workspace.context import WorkspaceProcessContext
    from dagster._core.workspace.load_target import InProcessWorkspaceLoadTarget

    target = LoadableTargetOrigin(python_file=None, module_name="clip_pipeline.definitions", executable_path=None)
    load_target = InProcessWorkspaceLoadTarget(InProcessCodeLocationOrigin(target, location_name="clip_pipeline"))
    with WorkspaceProcessContext(instance, load_target) as process, process.create_request_context() as context:
        yield context


@pytest.fixture
def instance(definitions, data):
    """An instance without runs that has looked at the data folder."""
    from clip_pipeline.defs.mirror.history import History

    with dg.DagsterInstance.ephemeral() as made, Workspace(data, find_recipe("tiny")) as workspace:
        History(made, workspace).mirror(STEPS.values())
        yield made
