"""Captions made clean, and the corpus."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clip_pipeline.text.captions import clean_caption, write_corpus


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("  a red\tcup \n", "a red cup"),
        ("Tom &amp;amp; Jerry &quot;at home&quot;", 'Tom & Jerry "at home"'),
        ("a <b>bold</b> dog<br/>runs", "a bold dog runs"),
        ("love <3 cats", "love <3 cats"),
        ("a ‘quoted’ “word”", "a 'quoted' \"word\""),
        ("ﬁne\u00a0\u200bart\x00", "fine art"),
        ("می\u200cخواهد co\u00adop Auf\u200clage", "می\u200cخواهد coop Auflage"),
        ("half a surrogate \ud800 here", "half a surrogate here"),
        ("\u202e\x07", ""),
    ],
)
def test_what_is_not_text_is_removed(raw, clean):
    assert clean_caption(raw, 400) == clean


def test_a_long_caption_is_cut_at_a_word():
    assert clean_caption("one two three", 9) == "one two"
    assert clean_caption("one two three", 7) == "one two"
    assert clean_caption("onetwothree", 4) == "onet"


@given(st.text(max_size=60), st.integers(min_value=1, max_value=50))
def test_a_clean_caption_is_one_printable_line_and_short_enough(text, max_chars):
    clean = clean_caption(text, max_chars)
    assert len(clean) <= max_chars
    assert clean == " ".join(clean.split())
    clean.encode("utf-8")


@given(st.text(alphabet="aé ’\t&;<>bltgamp#39\u200d\u00ad", max_size=30))
def test_cleaning_twice_changes_nothing_but_nested_entities(text):
    once = clean_caption(text, 400)
    if "&" not in once and "<" not in once:
        assert clean_caption(once, 400) == once


def test_the_corpus_does_not_depend_on_order_or_repetition(tmp_path):
    assert write_corpus(["b dog", "a cat", "b  dog", ""], tmp_path / "one.txt") == 2
    write_corpus(["a cat", "b dog"], tmp_path / "two.txt")
    assert (tmp_path / "one.txt").read_text() == "a cat\nb dog\n" == (tmp_path / "two.txt").read_text()
