from __future__ import annotations

from collections import Counter

from clip_pipeline.images.links.buckets import bucket_of


def test_the_bucket_of_a_word_never_changes():
    # The first eight bytes of `printf cup | sha256sum`, as a number.
    assert bucket_of("cup", 2**64) == 0xC6171781D65F3CCC
    assert [bucket_of(word, 8) for word in ("cup", "ball", "straße", "")] == [4, 1, 4, 4]


def test_words_spread_over_the_buckets():
    counts = Counter(bucket_of(f"word{number}", 8) for number in range(8000))
    assert set(counts) == set(range(8))
    assert all(880 < count < 1120 for count in counts.values())  # 1,000 on average, standard deviation 30
