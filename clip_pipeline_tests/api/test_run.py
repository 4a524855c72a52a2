"""run, status and plan from Python: the same data folder as on the command line."""

from __future__ import annotations

import pytest

from clip_pipeline.api.plan import plan
from clip_pipeline.api.run import run
from clip_pipeline.api.status import request_budgets, status
from clip_pipeline.api.take_down import take_down
from clip_pipeline.errors import ModelError, PhotosError, RunFailedError, SettingsError, StoreError
from clip_pipeline_tests.words.dumps import dump_xml, page_xml


def test_what_is_fresh_is_reused_and_nothing_is_printed(tiny_data, capsys):
    seen: list[str] = []
    outcomes = run(
        "tiny", tiny_data, on_start=lambda step: seen.append(step.name), on_done=lambda one: seen.append("done")
    )
    assert all(outcome.built == 0 and outcome.hits >= 1 for outcome in outcomes if outcome.partitions)
    assert seen == [word for outcome in outcomes for word in (outcome.asset, "done")]
    assert outcomes[-1].asset == "benchmark_report"
    assert capsys.readouterr() == ("", "")


def test_the_report_is_handed_the_workspace_while_it_is_open(tiny_data):
    found = []
    run(
        "tiny",
        tiny_data,
        select="vocabulary",
        report=lambda workspace, outcomes: found.append(workspace.get("vocabulary")),
    )
    assert found[0].rows["words"] > 100


def test_the_report_is_called_and_the_list_raised_where_something_failed(tmp_path):
    dump = tmp_path / "wiki.xml"
    dump.write_text(dump_xml(page_xml("A", "cat tree house")))
    settings = {"wikipedia.dump": str(dump), "words.min_count": 1000, "compute.workers": 1}
    reported: list[str] = []

    def report(workspace, outcomes) -> None:
        reported.extend(outcome.asset for outcome in outcomes if outcome.built)

    with pytest.raises(RunFailedError, match="vocabulary, the check vocabulary_holds_words: 0 words were kept"):
        run("tiny", tmp_path / "data", select="words", settings=settings, report=report)
    assert reported == ["wikipedia_dump", "word_counts", "vocabulary"]
    outcomes = run("tiny", tmp_path / "data", select="words", settings=settings, checks=False)
    assert sum(outcome.hits for outcome in outcomes) >= 3


def test_one_asset_is_built_into_an_empty_folder(tmp_path):
    (outcome,) = run("tiny", tmp_path / "data", select="wikipedia_dump")
    assert (outcome.built, outcome.hits) == (1, 0)
    states = {one.asset: one.state for one in status("tiny", tmp_path / "data")}
    assert (states["wikipedia_dump"], states["vocabulary"]) == ("fresh", "waiting")


def test_settings_of_another_run_are_stale(tiny_data):
    states = {one.asset: one for one in status("tiny", tiny_data, settings={"words.min_count": 21})}
    assert states["vocabulary"].state == "stale" and "min_count" in states["vocabulary"].why


def test_wrong_input_is_said_before_anything_is_built(tmp_path):
    with pytest.raises(SettingsError, match='Did you mean "vocabulary"'):
        run("tiny", tmp_path / "data", select="vocabulry")
    with pytest.raises(PhotosError, match="nowhere"):
        run("tiny", tmp_path / "data", settings={"links.source": "folder", "links.path": str(tmp_path / "nowhere")})
    with pytest.raises(ModelError, match="sandbox_small"):
        run("tiny", tmp_path / "data", settings={"training.model": "sandbox_smal"})
    assert not (tmp_path / "data" / "words").exists()


def test_a_data_folder_that_is_a_file_or_in_one_is_refused_by_all_that_read_it(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    for place in (tmp_path / "notes.txt", tmp_path / "notes.txt/data"):
        calls = (
            run,
            status,
            plan,
            lambda recipe, data: take_down(["x"], data),
            lambda recipe, data: request_budgets(data),
        )
        for call in calls:
            with pytest.raises(
                StoreError, match=r"notes\.txt is a file, a data folder was expected\. Name another with --data"
            ):
                call("tiny", place)
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_a_place_without_the_right_to_write_is_one_sentence_before_anything_is_built(tmp_path, monkeypatch):
    monkeypatch.setattr("os.access", lambda path, mode: False)
    with pytest.raises(StoreError, match="You may not write in .* Name another data folder"):
        run("tiny", tmp_path / "data")
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_taken_out_of_a_folder_that_is_not_there_and_none_is_made(tmp_path):
    with pytest.raises(StoreError, match=r"There is no data folder .*data\. Name the one of your runs"):
        take_down(["x"], tmp_path / "data")
    assert list(tmp_path.iterdir()) == []


def test_a_plan_without_a_search_is_a_sentence(tmp_path):
    with pytest.raises(SettingsError, match="makes no search"):
        plan("tiny", tmp_path, settings={"links.source": "folder"})
