"""What the check of a trained model says."""

from __future__ import annotations

import shutil

from clip_pipeline.pipeline.checks.integrity import model_learnt
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.settings.recipes import find_recipe


def test_a_model_is_measured_against_guessing(tiny_data):
    with Workspace(tiny_data, find_recipe("tiny")) as workspace:
        outcome = model_learnt(workspace)
        facts = workspace.get("clip_checkpoint", "tiny_test").facts
    assert outcome.passed == (max(facts["final_train_loss"], facts["final_validation_loss"]) < facts["guessing_loss"])
    assert outcome.numbers["guessing"] == 3.46574, "ln 32"
    assert "guessing gives 3.466" in outcome.found


def test_a_model_that_only_guesses_and_its_warnings_are_told(tiny_data, tmp_path):
    folder = shutil.copytree(tiny_data, tmp_path / "data")
    (manifest,) = folder.rglob("clip_checkpoint/tiny_test/manifest.json")
    text = manifest.read_text()
    with Workspace(folder, find_recipe("tiny")) as workspace:
        loss = workspace.get("clip_checkpoint", "tiny_test").facts["final_validation_loss"]
    manifest.write_text(text.replace(f'"final_validation_loss": {loss}', '"final_validation_loss": 3.5'))
    with Workspace(folder, find_recipe("tiny")) as workspace:
        outcome = model_learnt(workspace)
    assert not outcome.passed
    assert "of the captions are longer than the 12 tokens" in outcome.found, "the test's model reads few tokens"
