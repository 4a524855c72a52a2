from __future__ import annotations

import json

import pytest

from clip_pipeline.api.train_tokenizer import train_tokenizer
from clip_pipeline.errors import CaptionsError, SettingsError


def test_a_folder_with_its_report_is_written(tmp_path):
    (tmp_path / "captions.txt").write_text("a red cup\na blue cup\n" * 50)
    facts = train_tokenizer(tmp_path / "captions.txt", tmp_path / "out", vocab_size=280, context_length=8)
    assert facts["captions"] == 100 and facts["context_length"] == 8 and facts["cut_captions"] == 0
    assert json.loads((tmp_path / "out" / "report.json").read_text()) == facts
    assert (tmp_path / "out" / "lengths.png").is_file() and (tmp_path / "out" / "tokenizer.json").is_file()


def test_what_cannot_be_learnt_from_is_a_sentence_and_leaves_nothing(tmp_path):
    with pytest.raises(CaptionsError, match="does not exist"):
        train_tokenizer(tmp_path / "none.txt", tmp_path / "out")
    with pytest.raises(CaptionsError, match="is a folder. Expected a text file"):
        train_tokenizer(tmp_path, tmp_path / "out")
    with pytest.raises(SettingsError, match="tokenizer.vocab_size is 10"):
        train_tokenizer(tmp_path / "none.txt", tmp_path / "out", vocab_size=10)
    assert not (tmp_path / "out").exists()
