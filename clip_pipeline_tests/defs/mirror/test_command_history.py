"""What the history knows after a run from the command line that failed."""

from __future__ import annotations

from pathlib import Path

import pytest

dg = pytest.importorskip("dagster")

from clip_pipeline.api.run import run  # noqa: E402
from clip_pipeline.defs.mirror.command_history import report_run  # noqa: E402
from clip_pipeline.defs.mirror.history import claim  # noqa: E402
from clip_pipeline.errors import RunFailedError  # noqa: E402
from clip_pipeline.pipeline.workspace import Workspace  # noqa: E402
from clip_pipeline.settings.recipes import find_recipe  # noqa: E402
from clip_pipeline_tests.words.dumps import dump_xml, page_xml  # noqa: E402


def run_words(tmp_path: Path, min_count: int) -> None:
    settings = {"wikipedia.dump": str(tmp_path / "wiki.xml"), "words.min_count": min_count, "compute.workers": 1}
    run("tiny", tmp_path / "data", select="words", settings=settings, report=report_run)


def test_a_run_that_fails_tells_what_it_built_and_what_the_checks_found_and_its_repair_too(tmp_path, monkeypatch):
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    (tmp_path / "wiki.xml").write_text(dump_xml(page_xml("A", "cat tree house")))
    with pytest.raises(RunFailedError):
        run_words(tmp_path, 1000)
    assert told("wikipedia_dump", "word_counts", "vocabulary") == ([1, 1, 1], False)
    run_words(tmp_path, 0)
    assert told("wikipedia_dump", "word_counts", "vocabulary") == ([1, 1, 2], True), "what was a hit is not told again"


def test_a_run_on_another_folder_says_that_the_history_heard_nothing_and_changes_no_partition(
    tmp_path, monkeypatch, caplog
):
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    (tmp_path / "wiki.xml").write_text(dump_xml(page_xml("A", "cat tree house")))
    with dg.DagsterInstance.get() as instance, Workspace(tmp_path / "page", find_recipe("tiny")) as workspace:
        claim(instance, workspace)
        instance.add_dynamic_partitions("dump_parts", ["part-000", "part-001"])
    run_words(tmp_path, 0)
    assert f"keeps the history of {tmp_path / 'page'}, and the data folder is {tmp_path / 'data'}" in caplog.text
    with dg.DagsterInstance.get() as instance:
        assert instance.get_dynamic_partitions("dump_parts") == ["part-000", "part-001"]
        assert not instance.fetch_materializations(dg.AssetKey("wikipedia_dump"), limit=1).records


def told(*assets: str) -> tuple[list[int], bool]:
    """How often each asset was materialised, and what the newest evaluation of the vocabulary's check says of its newest event."""
    key = dg.AssetCheckKey(dg.AssetKey("vocabulary"), "vocabulary_holds_words")
    with dg.DagsterInstance.get() as instance:
        records = [instance.fetch_materializations(dg.AssetKey(name), limit=9).records for name in assets]
        newest, *_ = instance.event_log_storage.get_asset_check_execution_history(key, limit=9)
    evaluation = newest.event.dagster_event.asset_check_evaluation_data
    assert evaluation.target_materialization_data.storage_id == records[-1][0].storage_id
    return [len(one) for one in records], evaluation.passed
