"""However its accents and points are written (UAX #15), a text has the same words: in the compiled counter, in Python, in captions."""

from __future__ import annotations

import unicodedata
from collections import Counter

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from clip_pipeline.text.captions import clean_caption
from clip_pipeline.text.word_boundaries import combining_marks, split_words
from clip_pipeline.words.reading import add_text
from clip_pipeline.words.table import WordTable
from clip_pipeline.words.wikitext.scanner import PLAIN_TEXT

MARKS = [mark for mark in combining_marks() if unicodedata.combining(mark)]
SIGNS = " '-\"’ʼ״·\u0387.\u200c\u200d\u00ad\ufe0f_5\u2011\u05f3\uff07\u201c"
SCRIPTS = {
    "Latin": ("aceiIİınoosuyAKÅķįỊ\u212a\u212bẛ", "\u0300\u0301\u0302\u0303\u0304\u0307\u0308\u0323\u0327\u0328\u0330\u0338"),
    "Vietnamese": ("ăâêôơưđếộữAĂÂiI", "\u0300\u0301\u0303\u0309\u0323\u0302\u0306\u031b"),
    "Greek": ("αειουςσΣωΩΆᾼᾳ\u1fbe\u2126", "\u0301\u0308\u0313\u0314\u0342\u0345\u0304\u0343\u0344"),
    "Cyrillic": ("аеиійїоуяЙґ", "\u0300\u0301\u0306\u0308\u0483"),
    "Hebrew": ("אבגהוילמםשת\ufb1d\ufb2a\ufb2e\ufb4b", "\u05b0\u05b4\u05b7\u05b8\u05b9\u05bc\u05c1\u05c2\u05bf"),
    "Arabic": ("ابتدهويىةلأإآؤئکی", "\u064b\u064e\u0650\u0651\u0652\u0653\u0654\u0655\u0670"),
    "Hangul": ("한국어각\u1100\u1112\u1161\u1162\u11a8\u11ab\u11c2", "\u302e\u302f"),
    "Kana": ("かきはウハ", "\u3099\u309a"),
    "Devanagari": ("कखगनरळलहिीक़ऩ\u0958\u0929", "\u093c\u094d\u0951\u093e"),
    "Bengali and kin": ("কয়ডঅেোৌ\u09cb\u0b4b\u0bca\u0ccb\u0d4b", "\u09bc\u09be\u09cd\u09d7\u0b3e\u0bbe\u0cd5\u0d3e"),
    "Sinhala, Thai, Lao, Tibetan, Burmese": ("ශකේෝกนຂມཀཁགྷမိ\u0ddd\u0f43\u1026", "\u0dca\u0dcf\u0e38\u0e48\u0e49\u0eb8\u0ec8\u0f71\u0f72\u0f74\u0fb7\u102e\u1037\u1039"),
    "Syriac, N'Ko, Adlam": ("ܐܒܓߊߏ\U0001e922\U0001e923", "\u0730\u0731\u0740\u07eb\u07f2\U0001e944\U0001e94a"),
    "any": ("aIiשа", "".join(MARKS)),
}  # fmt: skip


@st.composite
def texts(draw) -> str:
    """Letters of one script with its marks, in any order, and signs between."""
    letters, marks = SCRIPTS[draw(st.sampled_from(sorted(SCRIPTS)))]
    piece = st.one_of(
        st.sampled_from(letters), st.sampled_from(letters), st.sampled_from(marks), st.sampled_from(SIGNS)
    )
    return "".join(draw(st.lists(piece, max_size=14)))


def reordered(text: str, order: list[int]) -> str:
    """Neighbouring marks of different combining classes changed over: canonically the same text."""
    letters = list(unicodedata.normalize("NFD", text))
    for place in order:
        if place + 1 < len(letters):
            first, second = (unicodedata.combining(one) for one in letters[place : place + 2])
            if first and second and first != second:
                letters[place : place + 2] = letters[place + 1], letters[place]
    return "".join(letters)


def forms_of(text: str, order: list[int]) -> list[str]:
    forms = [text, unicodedata.normalize("NFC", text), unicodedata.normalize("NFD", text), reordered(text, order)]
    assert len({unicodedata.normalize("NFC", one) for one in forms}) == 1
    return forms


def counted(text: str) -> dict[str, int]:
    table = WordTable({}, 0)
    add_text(table, text, PLAIN_TEXT)
    return {row["word"]: row["count"] for row in table.finish().to_pylist() if row["count"]}


ORDERS = st.lists(st.integers(0, 20), max_size=30)


@settings(max_examples=600)
@given(texts(), ORDERS)
@example("İ\u0323 I\u0323\u0307 i\u0307\u0323 ị\u0307", [0, 1, 2])
@example("é·l m\u0303·l", [])
@example('הָ"ל הּ"ל', [0])
@example("ойʼя о\u0301ʼя", [])
def test_words_of_a_text_are_the_same_in_each_of_its_forms(text, order):
    found = [split_words(form) for form in forms_of(text, order)]
    assert found == [found[0]] * len(found)
    assert all(unicodedata.is_normalized("NFC", word) for word in found[0])


@settings(max_examples=600, deadline=None)
@given(texts(), ORDERS)
@example("İ\u0323 I\u0323\u0307 i\u0307\u0323 ị\u0307", [0, 1, 2])
@example("é·l m\u0303·l e\u0301\u0387l", [])
@example("\u0627'\u200c\u0627 \u0627’\u200d\u00ad\u200c\u0627 о'\u200cя оʼ\u200dя א\"\u200cא l·\u200cl a-\u200db", [])
@example('הָ"ל הּ"ל', [0])
@example("ойʼя о\u0301ʼя", [])
def test_the_counter_finds_the_words_that_python_finds_in_each_form(text, order):
    expected = dict(Counter(split_words(text)))
    for form in forms_of(text, order):
        assert counted(form) == expected, ascii(form)


@given(texts(), ORDERS)
def test_a_caption_is_the_same_in_each_form(text, order):
    assert len({clean_caption(form) for form in forms_of(text, order)}) == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Tiê\u0301ng Việt tiếng", ["tiếng", "việt", "tiếng"]),
        ("\u1112\u1161\u11ab\u1100\u116e\u11a8 한국", ["한국", "한국"]),
        ('צָ\u05bcה"ל', ["צָּה״ל"]),
        ("הָ״ל", ["הָ״ל"]),
        ("о\u0301б'єм обʼє\u0301м", ["о\u0301б'єм", "об'є\u0301м"]),
        ("İ\u0323stanbul", ["ịstanbul"]),
        (
            "ΟΔΟΣ ΣΑΣ’ΤΟ Ο.Σ.Ε. Ε.Σ. ΣΟΦΟ\u00adΣ\u0301 Σ",
            ["οδος", "σας'το", "ο", "σ", "ε", "ε", "σ", "σοφος\u0301", "σ"],
        ),
        ("ک\u200cا ک\u200c\u200dا ک\u200c\u00ad\u064bا", ["ک\u200cا", "ک\u200cا", "ک\u200c\u064bا"]),
        ("mú·l l·l 1·2 a·", ["mú·l", "l·l", "a"]),
    ],
)
def test_words_with_marks_are_one_word_in_nfc(text, words):
    assert split_words(text) == [unicodedata.normalize("NFC", word) for word in words]
    assert counted(text) == dict(Counter(split_words(text)))
