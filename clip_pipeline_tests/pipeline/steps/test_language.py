"""The assets of the language models on a small text: asked for by name, cached, checked."""

from __future__ import annotations

import dataclasses
import json

import pyarrow.parquet as pq
import pytest
import torch

from clip_pipeline.errors import InputError, RunFailedError, SettingsError
from clip_pipeline.language.folder import load_language_model, save_language_model
from clip_pipeline.pipeline.checks.evaluate import evaluate
from clip_pipeline.pipeline.checks.user_files import check_user_files
from clip_pipeline.pipeline.graph import STEPS, select
from clip_pipeline.pipeline.partitions import language_model_keys
from clip_pipeline.pipeline.previews.preview import preview
from clip_pipeline.pipeline.run import run_steps
from clip_pipeline.pipeline.stages import artifact_key
from clip_pipeline.pipeline.steps.language import (
    LANGUAGE_CHECKS,
    boundaries_come_at_the_target,
    model_does_not_look_ahead,
    scores_do_not_depend_on_the_batch,
)
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.settings import Recipe, with_settings
from clip_pipeline_tests.words.dumps import dump_xml, page_xml

pytestmark = pytest.mark.slow  # three trainings and their scores: six seconds
NAMES = ("character_corpus", "character_model", "language_scores")
LANGUAGE = [STEPS[name] for name in NAMES]
KEYS = ["none@3-0", "whitespace-0", "fixed@3-0"]
SMALL = (
    *("language.models=none,whitespace,fixed@3", "language.width=16", "language.layers=1,1,1", "language.context=32"),
    *(
        "language.steps=4",
        "language.batch_size=2",
        "language.validation_characters=50",
        "evaluation.bootstrap_samples=100",
    ),
    *("compute.device=cpu", "compute.threads=1"),
)
WORDS = b" a cat ran and the old dog sat down by some tree" * 320


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """(recipe, data folder, outcomes) after one run on a file of text."""
    folder = tmp_path_factory.mktemp("language")
    (folder / "text").write_bytes(WORDS)
    recipe = with_settings(Recipe(), [f"language.text={folder / 'text'}", *SMALL])
    with Workspace(folder / "data", recipe) as workspace:
        outcomes = run_steps(workspace, LANGUAGE)
    return recipe, folder / "data", {outcome.asset: outcome for outcome in outcomes}


def test_they_run_when_they_are_asked_for_by_name_only():
    named = {step.name for step in select("")} | {step.name for step in select("language")}
    assert not named & set(NAMES)
    assert {step.name for step in select("+language_scores")} == {"wikipedia_dump", *NAMES}


def test_each_model_and_seed_is_a_partition_and_the_scores_hold_all_of_them(built):
    recipe, folder, outcomes = built
    assert list(outcomes["character_model"].partitions) == language_model_keys(recipe) == KEYS
    rows = pq.read_table(folder / "language/language_scores/scores.parquet").to_pylist()
    assert {row["key"] for row in rows if row["seed"] is not None} == set(KEYS)
    test = {row["key"]: row for row in rows if row["split"] == "test"}
    assert {"uniform", "counts@5", "bz2", "xz"} < set(test)
    assert test["fixed@3-0"]["shortening"] == pytest.approx(3.0, rel=0.1)
    assert test["none@3-0"]["less_than_unpooled"] == 0.0
    for key in KEYS:
        row = test[key]
        assert row["window"] == 32 and row["stride"] == 16 and row["characters"] == len(WORDS) // 20 - 1
        assert row["less_than_table"] < 0, "after four steps"
    with Workspace(folder, recipe) as workspace:
        artifact = workspace.get("language_scores")
        assert "table of order" in artifact.facts["in short"] and " beside none@3: " in artifact.facts["in short"]
        assert {"Figure: bits", "Figure: times", "Figure: segments"} == preview(artifact).images.keys()


def test_a_second_run_does_nothing_and_one_more_model_costs_its_own_training(built):
    recipe, folder, _ = built
    with Workspace(folder, recipe) as workspace:
        assert all(outcome.built == 0 for outcome in run_steps(workspace, LANGUAGE))
    more = with_settings(recipe, ["language.models=none,whitespace,fixed@3,router@3"])
    with Workspace(folder, more) as workspace:
        assert [outcome.built for outcome in run_steps(workspace, LANGUAGE)] == [0, 1, 1]
    other = with_settings(recipe, ["language.stride=8"])
    with Workspace(folder, other) as workspace:
        assert [outcome.built for outcome in run_steps(workspace, LANGUAGE)] == [0, 0, 1]


def test_the_same_training_gives_the_same_bytes(built, tmp_path):
    recipe, folder, _ = built
    with Workspace(tmp_path / "data", recipe) as again, Workspace(folder, recipe) as first:
        run_steps(again, LANGUAGE[:2])
        for key in KEYS:
            assert again.get("character_model", key).content == first.get("character_model", key).content


def test_checks_hold_and_find_what_is_wrong(built, monkeypatch):
    recipe, folder, _ = built
    with Workspace(folder, recipe) as workspace:
        for check in LANGUAGE_CHECKS:
            for key in KEYS:
                result = evaluate(workspace, check, artifact_key("character_model", key))
                assert result.outcome.passed, (key, result.outcome.found)
        assert model_does_not_look_ahead(workspace, "fixed@3-0").numbers["largest"] <= 1e-5

        from clip_pipeline.language import model
        from clip_pipeline.pooling.segments import own_segments

        with monkeypatch.context() as patch:
            patch.setattr(model, "closed_segments", lambda hard_BL: (own_segments(hard_BL) + 1).clamp(max=15))
            found = model_does_not_look_ahead(workspace, "whitespace-0")
        assert not found.passed and "the model looks ahead" in found.found
        with monkeypatch.context() as patch:
            patch.setattr(torch.nn.Module, "eval", lambda self: self.train())
            patch.setattr(model, "spread", lambda vectors, rows: torch.rand(*rows.shape, vectors.shape[-1]))
            assert not scores_do_not_depend_on_the_batch(workspace, "whitespace-0").passed


def test_a_rate_that_is_off_is_a_warning(built, tmp_path):
    recipe, folder, _ = built
    with Workspace(tmp_path, recipe) as workspace:
        facts = {"steps": 1, "characters": 1, "parameters": 1, "shortening": 3.5, "target": 3.0}
        from clip_pipeline.storage.manifest import Built, Wanted

        def write(target, work):
            (target / "training.json").write_text(json.dumps(facts))
            return Built()

        workspace.store.materialise(artifact_key("character_model", "fixed@3-0"), Wanted("1", {}, {}), write)
        outcome = boundaries_come_at_the_target(workspace, "fixed@3-0")
        assert (
            not outcome.passed and "3.50 characters a segment on the validation text, 3 were aimed at" in outcome.found
        )
    assert [check.blocking for check in LANGUAGE_CHECKS] == [True, False, False]


def test_a_dump_becomes_a_corpus(tmp_path):
    dump = tmp_path / "wiki.xml"
    dump.write_text(dump_xml(*(page_xml(f"Page {n}", f"The cat of '''page''' {n} sat.", n + 1) for n in range(40))))
    recipe = with_settings(Recipe(), [f"wikipedia.dump={dump}", "wikipedia.parts=1", *SMALL])
    with Workspace(tmp_path / "data", recipe) as workspace:
        run_steps(workspace, select("+character_corpus"))
        corpus = workspace.get("character_corpus")
        assert corpus.file("text.txt").read_bytes().startswith(b" the cat of page zero sat the cat of page one sat")
        assert corpus.facts["pages taken"] == 40


def test_a_text_that_cannot_be_used_is_one_sentence(tmp_path):
    (tmp_path / "text").write_bytes(WORDS + b"!")
    for text, sentence in ((tmp_path / "text", "holds '!' at character 15,361"), (tmp_path / "none", "cannot be read")):
        recipe = with_settings(Recipe(), [f"language.text={text}", *SMALL])
        with (
            Workspace(tmp_path / "data", recipe) as workspace,
            pytest.raises((InputError, RunFailedError), match=sentence),
        ):
            run_steps(workspace, LANGUAGE[:1])
    with pytest.raises(SettingsError, match='no kind of pooling "words"'):
        language_model_keys(with_settings(Recipe(), ["language.models=words"]))


def test_a_text_and_models_that_cannot_be_are_said_before_the_first_step(tmp_path):
    (tmp_path / "text").write_bytes(b"Not such a text")
    wrong = with_settings(Recipe(), [f"language.text={tmp_path / 'text'}", *SMALL, "language.layers=0,1,1"])
    with Workspace(tmp_path / "data", wrong) as workspace:
        check_user_files(workspace, {"wikipedia_dump"})
        with pytest.raises(InputError, match="(?s)2 things.*holds 'N' at character 1.*a layer before the segments"):
            check_user_files(workspace, NAMES)
    with Workspace(tmp_path / "data", with_settings(Recipe(), SMALL)) as workspace:
        check_user_files(workspace, NAMES)


def test_a_folder_of_another_kind_is_not_scored(built, tmp_path):
    recipe, folder, _ = built
    model, form = load_language_model(folder / "language/character_model/fixed@3-0")
    save_language_model(model, dataclasses.replace(form), tmp_path)
    from clip_pipeline.errors import ModelError

    with pytest.raises(ModelError, match="with fixed pooling, and one with router pooling was expected"):
        load_language_model(tmp_path, "router")
