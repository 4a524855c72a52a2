"""What is done with Dagster's history before the page opens."""

from __future__ import annotations

import pytest

dg = pytest.importorskip("dagster")

from clip_pipeline.defs.home import make_home  # noqa: E402
from clip_pipeline.defs.mirror import opening_mirror  # noqa: E402


def test_a_fresh_history_knows_the_variants_and_belongs_to_its_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("DAGSTER_HOME", str(make_home(tmp_path / "home")))
    monkeypatch.setenv("CLIP_PIPELINE_RECIPE", "tiny")
    monkeypatch.setenv("CLIP_PIPELINE_DATA", str(tmp_path / "data"))
    opening_mirror.main()
    with dg.DagsterInstance.get() as instance:
        assert instance.get_dynamic_partitions("variants") == ["tiny_test"]
    monkeypatch.setenv("CLIP_PIPELINE_DATA", str(tmp_path / "other"))
    with pytest.raises(SystemExit, match=f"keeps the history of {tmp_path / 'data'}, and the data folder is"):
        opening_mirror.main()
