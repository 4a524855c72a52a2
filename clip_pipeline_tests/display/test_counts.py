from __future__ import annotations

from clip_pipeline.display.counts import counts_text


def test_counts_stand_before_what_they_count_in_their_order():
    assert counts_text({"links": 36885, "words": 433, "words without photos": 0}) == (
        "36,885 links, 433 words, 0 words without photos"
    )


def test_no_counts_are_nothing():
    assert counts_text({}) == "nothing"
