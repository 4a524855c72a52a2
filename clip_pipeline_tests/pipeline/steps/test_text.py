"""The tokenizer as an artifact: its report, its figure, its check, and other tokenizers in its place."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from clip_pipeline.pipeline.checks.integrity import tokenizer_round_trips
from clip_pipeline.pipeline.graph import STEPS
from clip_pipeline.pipeline.previews.preview import preview
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.settings import with_settings
from clip_pipeline.settings.recipes import find_recipe
from clip_pipeline.text.tokenizer import load_tokenizer


@pytest.fixture
def some_data(tiny_data, tmp_path) -> Path:
    """A data folder with a caption corpus, to build tokenizers in."""
    corpus = tmp_path / "data" / "text" / "caption_corpus"
    shutil.copytree(tiny_data / "text" / "caption_corpus", corpus)
    return tmp_path / "data"


def build(data: Path, *settings: str):
    with Workspace(data, with_settings(find_recipe("tiny"), list(settings))) as workspace:
        outcome = STEPS["bpe_tokenizer"].materialise(workspace)
        return outcome, tokenizer_round_trips(workspace, "")


def test_the_artifact_says_how_well_the_tokenizer_fits_and_shows_it(tiny_data):
    with Workspace(tiny_data, find_recipe("tiny")) as workspace:
        artifact = workspace.get("bpe_tokenizer")
    facts = artifact.facts
    assert facts["context_length"] == 12
    assert sum(facts["length_counts"].values()) == facts["captions"]
    cut = sum(count for length, count in facts["length_counts"].items() if int(length) > 12)
    assert facts["cut_captions"] == pytest.approx(cut / facts["captions"], abs=1e-5)
    assert "lose their end" in facts["warnings"][0]
    assert list(preview(artifact).images) == ["Figure: lengths"]


def test_a_changed_report_makes_no_model_stale(some_data):
    """The report and the figure are beside the tokenizer, no part of its content."""
    outcome, _ = build(some_data)
    before = outcome.artifact.content
    (outcome.artifact.folder / "report.json").write_text("{}")
    (outcome.artifact.folder / "manifest.json").unlink()
    assert build(some_data)[0].artifact.content == before


def test_clips_tokenizer_takes_its_place(some_data):
    outcome, check = build(some_data, "tokenizer.kind=clip")
    assert outcome.artifact.rows["tokens"] == 49408
    assert check.passed, check.found
    assert build(some_data, "tokenizer.kind=clip")[0].hit


def test_a_tokenizer_in_a_folder_takes_its_place_and_is_watched(some_data, tmp_path):
    first, _ = build(some_data)
    own = tmp_path / "own"
    shutil.copytree(first.artifact.folder, own)
    outcome, check = build(some_data, f"tokenizer.kind={own}")
    assert check.passed, check.found
    assert load_tokenizer(outcome.artifact.folder).vocab_size == first.artifact.rows["tokens"]
    assert build(some_data, f"tokenizer.kind={own}")[0].hit
    text = (own / "tokenizer.json").read_text()
    (own / "tokenizer.json").write_text(text + "\n")
    assert not build(some_data, f"tokenizer.kind={own}")[0].hit


def test_a_tokenizer_that_knows_few_of_the_captions_fails_the_check(some_data, tmp_path):
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.WordLevel(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.train_from_iterator(["a red"], trainers.WordLevelTrainer(special_tokens=["[UNK]"], show_progress=False))
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="[UNK]").save_pretrained(tmp_path / "words")
    outcome, check = build(some_data, f"tokenizer.kind={tmp_path / 'words'}")
    assert not check.passed
    assert outcome.artifact.facts["unknown_rate"] > 0.5
