from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq

from clip_pipeline.recipes import WordsSettings
from clip_pipeline.records import WORD_COUNTS
from clip_pipeline.words.vocabulary import select_words, write_vocabulary

COUNTS = pa.table(
    {
        "word": ["the", "cat", "dog", "café", "x", "rare", "x-ray", "mp3", "don't", "zebra"],
        "count": [900, 500, 500, 400, 300, 100, 200, 150, 140, 101],
        "documents": [9, 5, 5, 4, 3, 1, 2, 1, 1, 1],
        "capitalised": [90, 50, 20, 10, 0, 1, 2, 0, 40, 101],
        "pictured": [1, 9, 3, 4, 0, 0, 2, 0, 0, 8],
    },
    schema=WORD_COUNTS,
)


def test_each_dropped_word_is_counted_under_its_reason():
    kept, dropped = select_words(COUNTS, WordsSettings(min_count=100, min_length=2, max_words=2))
    assert kept["word"].to_pylist() == ["cat", "dog"]
    assert dropped == {"too_rare": 1, "too_short": 1, "not_english": 2, "stop_word": 2, "over_max_words": 2}
    assert len(kept) + sum(dropped.values()) == len(COUNTS)


def test_words_must_occur_more_often_than_the_threshold():
    for min_count, last in ((99, "rare"), (100, "zebra"), (101, "x-ray")):
        kept, _ = select_words(COUNTS, WordsSettings(min_count=min_count))
        assert kept["word"].to_pylist()[-1] == last


def test_without_filters_every_word_stays():
    kept, dropped = select_words(COUNTS, WordsSettings(min_count=0, min_length=1, script="any", stop_words="none"))
    assert len(kept) == len(COUNTS) and dropped == {"too_rare": 0, "too_short": 0}


def test_no_words_at_all_is_a_table_without_rows():
    kept, dropped = select_words(WORD_COUNTS.empty_table(), WordsSettings())
    assert kept.schema == WORD_COUNTS and len(kept) == 0 and sum(dropped.values()) == 0


def test_the_vocabulary_is_written_as_parquet_and_as_lines(tmp_path):
    kept, _ = select_words(COUNTS, WordsSettings())
    write_vocabulary(kept, tmp_path)
    assert pq.read_table(tmp_path / "vocabulary.parquet").equals(kept)
    assert (tmp_path / "words.txt").read_bytes() == b"cat\ndog\nx-ray\nzebra\n"
