"""What every test may use."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch, tmp_path_factory):
    """Tests see neither the settings nor the history nor the cache of the person who runs them."""
    monkeypatch.setenv("CLIP_PIPELINE_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
    for name in ("CLIP_PIPELINE_RECIPE", "CLIP_PIPELINE_SETTINGS", "CLIP_PIPELINE_DATA", "DAGSTER_HOME"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def shared_data() -> Callable[[str], Path]:
    """`shared_data("wikipedia/gensim")` is the real file or folder; the test skips where it is absent."""

    def find(name: str) -> Path:
        path = SHARED_DATA / name
        if not path.exists():
            pytest.skip(f"real data {name} is not beside this checkout (../shared/data)")
        return path

    return find


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory) -> Path:
    """The data folder of one whole run of the tiny recipe, made once. Tests read it and change nothing in it."""
    from clip_pipeline.pipeline.graph import select
    from clip_pipeline.pipeline.run import run_steps
    from clip_pipeline.pipeline.workspace import Workspace
    from clip_pipeline.settings.recipes import find_recipe

    folder = tmp_path_factory.mktemp("tiny") / "data"
    with Workspace(folder, find_recipe("tiny")) as workspace:
        run_steps(workspace, select(""))
    return folder
