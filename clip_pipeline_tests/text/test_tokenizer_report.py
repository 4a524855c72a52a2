"""How a tokenizer fits the captions, against counts done by hand."""

from __future__ import annotations

import json

import pytest
from PIL import Image

from clip_pipeline.settings import TokenizerSettings
from clip_pipeline.text.tokenizer_report import length_bins, report_text, write_report
from clip_pipeline_tests.made.tokenizers import train_tokenizer

# bytes only: a token a byte, a space before the first word, and both ends
CAPTIONS = ["ab", "ab cd", "ab cd ef", "ab"]
LENGTHS = [5, 8, 11, 5]
BYTES_ONLY = TokenizerSettings(vocab_size=259)


def describe(tmp_path, captions=CAPTIONS, settings=BYTES_ONLY, context_length=9):
    (tmp_path / "captions.txt").write_text("\n".join(captions) + "\n")
    return train_tokenizer(tmp_path / "captions.txt", settings, context_length, tmp_path / "tokenizer")


def test_numbers_by_hand(tmp_path):
    facts = describe(tmp_path)
    assert (facts["tokens"], facts["merges"], facts["captions"]) == (259, 0, 4)
    assert facts["tokens_per_caption"] == sum(LENGTHS) / 4
    assert facts["length_counts"] == {"5": 2, "8": 1, "11": 1}
    assert (facts["longest_caption"], facts["context_for_99_percent"], facts["cut_captions"]) == (11, 11, 0.25)
    characters, inside = sum(map(len, CAPTIONS)), sum(LENGTHS) - 2 * 4
    assert facts["characters_per_token"] == pytest.approx(characters / inside, abs=1e-3)
    assert facts["unknown_rate"] == 0
    assert facts["common_merges"] == facts["longest_tokens"] == []


def test_a_caption_that_is_cut_is_a_warning_that_says_what_to_do(tmp_path):
    (sentence,) = describe(tmp_path)["warnings"]
    assert sentence == (
        "25.00 % of the captions have more than 9 tokens and lose their end; the longest has 11. A context of 11 holds "
        "99 % of them whole: set training.context_length to it, or raise tokenizer.vocab_size."
    )
    assert describe(tmp_path, context_length=11)["warnings"] == []


def test_a_vocabulary_that_the_captions_cannot_fill_is_a_note_and_no_warning(tmp_path):
    facts = describe(tmp_path, settings=TokenizerSettings(vocab_size=1000), context_length=20)
    assert facts["tokens"] < 1000
    assert facts["warnings"] == []
    assert facts["notes"][0].startswith(f"1,000 tokens were asked for, the captions give {facts['tokens']}")
    assert "Note: 1,000 tokens were asked for" in report_text(facts)


def test_common_merges_are_counted_and_the_longest_tokens_come_first(tmp_path):
    captions = ["the dog"] * 5 + ["the elephant"] * 3 + ["a dog"]
    facts = describe(tmp_path, captions, TokenizerSettings(vocab_size=400))
    assert facts["common_merges"][:3] == [[" the", 8], [" dog", 6], [" elephant", 3]]
    assert [text.strip() for text, _ in facts["longest_tokens"]][:2] == ["elephant", "elephan"]


def test_unknown_tokens_are_counted_and_told(tmp_path):
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.WordLevel(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.train_from_iterator(["ab cd"], trainers.WordLevelTrainer(special_tokens=["[UNK]"], show_progress=False))
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="[UNK]").save_pretrained(tmp_path / "words")
    facts = describe(tmp_path, settings=TokenizerSettings(kind=str(tmp_path / "words")))
    assert facts["unknown_rate"] == pytest.approx(1 / 7, abs=1e-6)  # "ef", one of 1 + 2 + 3 + 1 words
    assert facts["merges"] is None
    assert any(sentence.startswith("14.29 % of the tokens are the unknown one") for sentence in facts["warnings"])


def test_bins_part_at_the_context_length_and_hold_every_caption(tmp_path):
    facts = describe(tmp_path, ["a" * length for length in (1, 2, 3, 30, 31, 300)], context_length=8)
    for most in (3, 5, 16, 1000):
        bins = length_bins(facts, most)
        assert sum(count for _, _, count in bins) == 6
        assert any(low == 9 for low, _, _ in bins), "the first that is cut begins a bin"
        assert bins[-1][1] >= facts["longest_caption"]
        assert all(low <= high for low, high, _ in bins)


def test_the_report_for_a_terminal_says_what_is_cut(tmp_path):
    text = report_text(describe(tmp_path))
    assert "259 tokens, 0 merges" in text
    assert "25.00 % cut at 9" in text
    assert [line.split()[0] for line in text.splitlines() if line.endswith("cut")] == ["10", "11"]
    assert "Note: 25.00 % of the captions" in text


def test_the_figure_and_the_json_are_written_the_same_every_time(tmp_path):
    facts = describe(tmp_path)
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write_report(facts, tmp_path / name)
    assert json.loads((tmp_path / "one/report.json").read_text()) == facts
    with Image.open(tmp_path / "one/lengths.png") as figure:
        assert figure.size == (768, 384)
    for name in ("report.json", "lengths.png"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
