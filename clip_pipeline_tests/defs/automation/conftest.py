"""A page of the tiny recipe with a dump and photos of the user's own."""

from __future__ import annotations

from pathlib import Path

import pytest

dg = pytest.importorskip("dagster")

from clip_pipeline_tests.defs.automation.made import own_settings, write_dump, write_photo  # noqa: E402
from clip_pipeline_tests.defs.conftest import load_definitions  # noqa: E402


@pytest.fixture
def own(tmp_path, monkeypatch) -> Path:
    """The folder of the user's own files: wiki.xml, and photos with eight photos."""
    folder = tmp_path / "own"
    for seed in range(8):
        write_photo(folder / "photos", f"photo{seed}", seed)
    write_dump(folder / "wiki.xml")
    monkeypatch.setenv("CLIP_PIPELINE_RECIPE", "tiny")
    monkeypatch.setenv("CLIP_PIPELINE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("CLIP_PIPELINE_SETTINGS", ";".join(own_settings(folder)))
    return folder


@pytest.fixture
def own_definitions(own, monkeypatch):
    """The definitions of that page."""
    return load_definitions(monkeypatch)


@pytest.fixture
def own_instance():
    """An instance that knows nothing yet."""
    with dg.DagsterInstance.ephemeral() as made:
        yield made
