from __future__ import annotations

from clip_pipeline.text.word_boundaries import split_words


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


def test_words_keep_their_vowel_signs_and_accents():
    words = ["हिन्दी", "ไทย", "தமிழ்", "বাংলা", "עִבְרִית", "café", "क्षि-त्रि"]
    for word in words:
        assert split_words(f"({word}) {word}, {word}") == [word] * 3
    assert split_words(" ".join(words)) == words


def test_marks_begin_no_word_and_stand_after_no_apostrophe():
    assert split_words("\u0301abc a'\u0301b 1\u0301 x\ufe0fy") == ["abc", "a", "b", "xy"]


def test_the_dotted_capital_i_is_an_i_in_both_spellings():
    assert split_words("İzmir I\u0307zmir i\u0307zmir") == ["izmir"] * 3
