"""What changes the signature of a data folder."""

from __future__ import annotations

import shutil

from clip_pipeline.pipeline.sources.folder_state import folder_signature
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.settings import with_settings
from clip_pipeline.settings.recipes import find_recipe


def test_artifacts_definitions_take_downs_and_settings_change_it_and_nothing_else(tmp_path):
    recipe = find_recipe("tiny")
    workspace = Workspace(tmp_path, recipe)
    seen = [folder_signature(workspace)]

    def changed() -> bool:
        seen.append(folder_signature(workspace))
        return seen[-1] != seen[-2]

    assert not changed()
    for place in ("words/vocabulary", "images/image_shards/00000", "evaluation/probe_scores/sandbox/tiny_test"):
        (tmp_path / place).mkdir(parents=True)
        assert not changed(), "it is not complete"
        (tmp_path / place / "manifest.json").write_text("{}")
        assert changed()
    (tmp_path / ".staging").mkdir()
    (tmp_path / "notes.txt").write_text("mine")
    assert not changed()
    for place in ("variants/slow.toml", "datasets/birds.toml", "takedowns.jsonl"):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        (tmp_path / place).write_text("1")
        assert changed()
    shutil.rmtree(tmp_path / "words")
    assert changed()
    other = Workspace(tmp_path, with_settings(recipe, ["words.min_count=3"]))
    assert folder_signature(other) != seen[-1]
