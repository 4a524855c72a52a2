"""What is said before the first step."""

from __future__ import annotations

import dataclasses
import json
import logging

import numpy as np
import pyarrow as pa
import pytest

from clip_pipeline.errors import ModelError, TrainingError
from clip_pipeline.training import preflight
from clip_pipeline.training.data.pairs import SplitPairs
from clip_pipeline.training.preflight import (
    check_tokens,
    look_at_data,
    share_of_cut_captions,
)
from clip_pipeline_tests.training.caption_tables import make_caption_table
from clip_pipeline_tests.training.conftest import SETTINGS


class LetterTokenizer:
    """A token a letter, between a start and an end."""

    pad_id, end_id = 0, 2

    def encode(self, texts, length):
        rows = np.zeros((len(texts), length), dtype=np.int32)
        for row, text in zip(rows, texts, strict=True):
            ids = [1, *(2 + ord(letter) for letter in text), 2][:length]
            row[: len(ids)] = ids
        return rows


def data_of(captions: list[list[str]], length: int = 8):
    texts = [text for own in captions for text in own]
    table = make_caption_table(captions, LetterTokenizer().encode(texts, length))
    return (
        SplitPairs([str(row) for row in range(len(captions))], pa.array(texts), table.first),
        table,
        LetterTokenizer(),
    )


def test_fewer_different_captions_than_a_batch_has_get_a_sentence():
    data = data_of([["a"], ["b"], ["a"], ["b"]])
    with pytest.raises(TrainingError, match="only 2 different captions, training.batch_size is 4"):
        look_at_data(*data, 4)
    look_at_data(*data, 4, repeat_captions="unavoidable")


def test_captions_that_repeat_are_counted_by_their_text():
    captions = [["a"], ["a"], ["a", "own"], *[[f"n{i}"] for i in range(5)]]
    (sentence,) = look_at_data(*data_of(captions), 2)
    assert sentence.startswith("25% of the photos have no caption of their own")
    assert look_at_data(*data_of(captions[2:]), 2) == []


def test_more_captions_in_a_step_than_any_photo_has_are_told():
    data = data_of([["a", "b"], ["c"], ["d"]])
    (sentence,) = look_at_data(*data, 2, captions_per_photo=5)
    assert "captions_per_photo is 5, but no photo has more than 2" in sentence
    assert look_at_data(*data, 2, captions_per_photo=2) == []


def test_captions_that_are_cut_are_counted():
    captions = [["abcdef"], ["abcdefg"], ["abc"], ["abcdefghij"]]
    training, table, tokenizer = data_of(captions)
    assert share_of_cut_captions(training, tokenizer, 8) == 0.5, "six letters and both ends just fit"
    (sentence,) = look_at_data(training, table, tokenizer, 2)
    assert "50% of the captions are longer than the 8 tokens" in sentence


def test_a_token_beyond_the_vocabulary_is_an_error():
    _, table, _ = data_of([["abc"]])
    with pytest.raises(ModelError, match=r"gives the token 101, the model's vocabulary ends at 99. Use the tokenizer"):
        check_tokens(table, 100)


@pytest.mark.slow
def test_too_little_memory_stops_the_training_before_its_first_step(tiny_data, tmp_path, monkeypatch, caplog):
    settings = dataclasses.replace(SETTINGS, epochs=1)
    monkeypatch.setattr(preflight, "free_bytes", lambda device: 50_000)
    with pytest.raises(TrainingError, match=r"needs about \d+ MB \(activations .* Lower training.chunk_size"):
        tiny_data.train(tmp_path, settings)
    with caplog.at_level(logging.INFO, logger="clip_pipeline"):
        monkeypatch.setattr(preflight, "free_bytes", lambda device: None)
        tiny_data.train(tmp_path, settings)
    estimate = next(float(r.args[0]) for r in caplog.records if "will take about" in r.message)
    monkeypatch.setattr(preflight, "free_bytes", lambda device: int(estimate * 1e6 / 1.2))
    tiny_data.train(tmp_path, settings)
    assert "If it stops for want of memory" in caplog.text


def test_what_was_found_stands_in_the_summary(tiny_data, tmp_path):
    settings = dataclasses.replace(SETTINGS, epochs=1, loss="sigmoid", label_smoothing=0.1)
    tiny_data.train(tmp_path, settings)
    warnings = json.loads((tmp_path / "model" / "training.json").read_text())["warnings"]
    assert warnings == ["training.label_smoothing has no effect on the sigmoid loss."]
