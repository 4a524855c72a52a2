from __future__ import annotations

from clip_pipeline.words.tokens import split_words


def test_words_are_lower_case_with_apostrophes_and_hyphens_inside():
    assert split_words("Don’t paint 3 X-rays, 'quoted' words- or -these") == [
        "don't",
        "paint",
        "x-rays",
        "quoted",
        "words",
        "or",
        "these",
    ]


def test_letters_of_any_script_are_words_and_numbers_are_none():
    assert split_words("Café 猫 кот 1990 19-20 mp3 a_b 2nd—end") == ["café", "猫", "кот", "mp3", "a", "b", "2nd", "end"]
