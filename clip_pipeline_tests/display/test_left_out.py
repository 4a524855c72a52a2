"""What was left out is said with count, reason, setting and an example."""

from __future__ import annotations

from clip_pipeline.display.left_out import FACT, LeftOut, added_rows, left_out_sentences


def test_counts_of_several_artifacts_are_added_and_keep_the_first_example():
    facts = [
        {FACT: [["photo not_found", 2, "", "a"]]},
        {},
        {FACT: [["photo not_found", 1, "", "b"], ["row", 9, "", ""]]},
    ]
    assert added_rows(facts) == [("row", 9, "", ""), ("photo not_found", 3, "", "a")]


def test_a_sentence_names_the_setting_and_shows_the_example_without_signs_for_a_terminal():
    lost = LeftOut()
    lost.add("photo too_small", 1200, "a\x1b[2Jb")
    lost.add("row without url", 1, "")
    assert left_out_sentences(lost.rows()) == [
        '1,200 of "photo too_small" (download.min_side), such as "a\\x1b[2Jb"',
        '1 of "row without url"',
    ]


def test_what_was_only_read_is_not_left_out():
    lost = LeftOut()
    lost["keywords read"] += 5
    assert lost.rows() == []
