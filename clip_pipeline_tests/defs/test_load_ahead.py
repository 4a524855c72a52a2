"""What takes long to load is loaded beside other work, and only where a training follows."""

from __future__ import annotations

import pytest

pytest.importorskip("dagster")

from clip_pipeline.defs import load_ahead as tested  # noqa: E402
from clip_pipeline.defs.load_ahead import load_ahead  # noqa: E402
from clip_pipeline.pipeline.graph import STEPS, select  # noqa: E402
from clip_pipeline.pipeline.workspace import Workspace  # noqa: E402
from clip_pipeline.settings import with_settings  # noqa: E402
from clip_pipeline.settings.recipes import find_recipe  # noqa: E402


class Loads(list):
    """What was loaded, in order: "child" or "here"."""

    def prepare(self) -> None:
        self.append("child")


def loads(monkeypatch, data, asset, settings=(), selection="", forced=()):
    seen = Loads()
    monkeypatch.setattr(tested, "load_open_clip", lambda: seen.append("here"))
    selected = select(selection) if selection else list(STEPS.values())
    with Workspace(data, with_settings(find_recipe("tiny"), settings)) as workspace:
        load_ahead(seen, workspace, STEPS[asset], selected, forced)
    return list(seen)


NEW = ("training.seed=5",)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("asset", "loaded"),
    [
        ("image_text_pairs", ["child"]),
        ("bpe_tokenizer", ["child"]),
        ("image_shards", []),
        ("vocabulary", []),
        ("clip_checkpoint", ["here"]),
        ("image_embeddings", []),
    ],
)
def test_a_stale_training_has_its_process_started_before_and_this_one_loads_meanwhile(
    tiny_data, monkeypatch, asset, loaded
):
    assert loads(monkeypatch, tiny_data, asset, NEW) == loaded
    assert loads(monkeypatch, tiny_data, asset) == [], "the training is fresh"
    assert loads(monkeypatch, tiny_data, asset, forced=["clip_checkpoint"]) == loaded


def test_an_empty_folder_lacks_all_that_a_training_reads(tmp_path, monkeypatch):
    assert loads(monkeypatch, tmp_path, "image_text_pairs") == ["child"]


def test_a_run_that_trains_nothing_or_needs_no_model_after_it_loads_nothing(tmp_path, monkeypatch):
    assert loads(monkeypatch, tmp_path, "image_text_pairs", selection="+bpe_tokenizer") == []
    assert loads(monkeypatch, tmp_path, "clip_checkpoint", selection="+clip_checkpoint") == []
