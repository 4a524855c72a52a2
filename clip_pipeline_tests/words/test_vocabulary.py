from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from clip_pipeline.display.left_out import left_out_sentences
from clip_pipeline.records import WORD_COUNTS
from clip_pipeline.settings import WordsSettings
from clip_pipeline.words.vocabulary import by_reason, select_words, write_vocabulary

COUNTS = pa.table(
    {
        "word": ["the", "cat", "dog", "café", "x", "rare", "x-ray", "mp3", "don't", "zebra"],
        "count": [900, 500, 500, 400, 300, 100, 200, 150, 140, 101],
        "documents": [9, 5, 5, 4, 3, 1, 2, 1, 1, 1],
        "capitalised": [90, 50, 20, 10, 0, 1, 2, 0, 40, 101],
        "captioned": [1, 9, 3, 4, 0, 0, 2, 0, 0, 8],
    },
    schema=WORD_COUNTS,
)


def kept_of(table=COUNTS, **settings) -> list[str]:
    plain = {"min_count": 0, "min_length": 1, "script": "any", "stop_words": "none", "digits": True}
    return select_words(table, WordsSettings(**(plain | settings)))[0]["word"].to_pylist()


def counts_of(*words: str):
    zeros = [0] * len(words)
    numbers = [[100 - place for place in range(len(words))], [1] * len(words), zeros, zeros]
    return pa.table([list(words), *numbers], schema=WORD_COUNTS)


def test_each_dropped_word_is_counted_under_its_reason():
    settings = WordsSettings(min_count=100, min_documents=2, min_length=2, max_words=1)
    kept, dropped = select_words(COUNTS, settings)
    assert kept["word"].to_pylist() == ["cat"]
    reasons = {"too_rare": 1, "in_too_few_articles": 3, "too_short": 1, "digits": 0, "other_script": 1, "stop_word": 1}
    assert by_reason(dropped) == reasons | {"over_max_words": 2}
    assert len(kept) + sum(dropped.values()) == len(COUNTS)


def test_what_filters_leave_out_is_said_with_the_setting_and_the_most_frequent_word():
    settings = WordsSettings(min_count=100, min_documents=2, min_length=2, max_words=1)
    assert left_out_sentences(select_words(COUNTS, settings)[1].rows()) == [
        '3 of "word in_too_few_articles" (words.min_documents), such as "mp3"',
        '2 of "word over_max_words" (words.max_words), such as "dog"',
        '1 of "word other_script" (words.script), such as "café"',
        '1 of "word stop_word" (words.stop_words), such as "the"',
        '1 of "word too_rare" (words.min_count), such as "rare"',
        '1 of "word too_short" (words.min_length), such as "x"',
    ]
    assert "proper_noun" not in by_reason(select_words(COUNTS, settings)[1])


def test_rare_words_that_were_counted_and_never_held_are_said_too(caplog):
    caplog.set_level("INFO", logger="clip_pipeline")
    frequent = COUNTS.filter(pc.greater(COUNTS["count"], 100))
    _, dropped = select_words(frequent, WordsSettings(min_count=100), words=len(COUNTS) + 50, rare_word="seldom")
    assert dropped.rows()[0] == ("word too_rare", 51, "words.min_count", "seldom")
    assert "Kept 4 of 60 words" in caplog.text


def test_names_are_dropped_only_when_asked():
    settings = {"min_count": 100, "digits": True}
    assert kept_of(**settings)[-1] == "zebra"
    assert select_words(COUNTS, WordsSettings(proper_nouns=False))[1]["word proper_noun"] == 1
    assert "zebra" not in kept_of(**settings, proper_nouns=False) and "the" in kept_of(**settings, proper_nouns=False)


def test_digits_are_dropped_or_kept_beside_the_letters_of_any_script():
    table = counts_of("mp3", "x-15", "cat", "м5", "٣م")
    assert kept_of(table, digits=False) == ["cat"]
    assert kept_of(table, script="english") == ["mp3", "x-15", "cat"]
    assert kept_of(table, script="cyrillic") == ["м5"]


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("english", ["cat", "x-ray", "don't"]),
        ("latin", ["cat", "x-ray", "don't", "café", "straße", "łódź", "e\u0301te"]),
        ("cyrillic", ["кошка", "из-за", "україна"]),
        ("greek", ["γάτα"]),
        ("arabic", ["قطة"]),
        ("hebrew", ["חתול"]),
        ("devanagari", ["बिल्ली"]),
        ("bengali", ["বিড়াল"]),
        ("tamil", ["பூனை"]),
        ("thai", ["แมว", "น้ำ"]),
        ("georgian", ["კატა"]),
        ("armenian", ["կատու"]),
        ("hangul", ["고양이"]),
        ("kana", ["ねこ", "スキー"]),
        ("han", ["猫"]),
    ],
)
def test_each_script_keeps_its_own_words(script, words):
    everything = [
        "cat",
        "x-ray",
        "don't",
        "café",
        "straße",
        "łódź",
        "éte",
        "кошка",
        "из-за",
        "україна",
        "γάτα",
        "قطة",
        "חתול",
        "बिल्ली",
        "বিড়াল",
        "பூனை",
        "แมว",
        "น้ำ",
        "კატა",
    ]
    table = counts_of(*everything, *["կատու", "고양이", "ねこ", "スキー", "猫", "catкошка", "'cat", "cat-", "--"])
    assert kept_of(table, script=script) == words
    assert len(kept_of(table)) == len(table) - 1, "what has no letter is no word"


def test_the_rules_of_the_well_known_list_ask_for_three_articles():
    assert kept_of(rules="wikipedia-word-frequency") == ["the", "cat", "dog", "café", "x"]
    assert kept_of(rules="wikipedia-word-frequency", min_documents=5) == ["the", "cat", "dog"]


def test_the_most_captioned_words_may_come_first():
    assert kept_of(order="captioned", max_words=4) == ["cat", "zebra", "café", "dog"]
    assert kept_of(max_words=4) == ["the", "cat", "dog", "café"]


def test_words_must_occur_more_often_than_the_threshold():
    for min_count, last in ((99, "rare"), (100, "zebra"), (101, "x-ray")):
        kept, _ = select_words(COUNTS, WordsSettings(min_count=min_count))
        assert kept["word"].to_pylist()[-1] == last


def test_without_filters_every_word_stays():
    kept, dropped = select_words(
        COUNTS, WordsSettings(min_count=0, min_length=1, script="any", stop_words="none", digits=True)
    )
    assert len(kept) == len(COUNTS) and by_reason(dropped) == {"too_rare": 0, "too_short": 0}


def test_no_words_at_all_is_a_table_without_rows():
    kept, dropped = select_words(WORD_COUNTS.empty_table(), WordsSettings())
    assert kept.schema == WORD_COUNTS and len(kept) == 0 and sum(dropped.values()) == 0


def test_the_vocabulary_is_written_as_parquet_and_as_lines(tmp_path):
    kept, _ = select_words(COUNTS, WordsSettings())
    write_vocabulary(kept, tmp_path)
    assert pq.read_table(tmp_path / "vocabulary.parquet").equals(kept)
    assert (tmp_path / "words.txt").read_bytes() == b"cat\ndog\nx-ray\nzebra\n"
