"""What the cells of tables say."""

from __future__ import annotations

import math
from decimal import Decimal

import pytest

from clip_pipeline.sources.tables.values import keywords_of, texts_of


@pytest.mark.parametrize(
    ("value", "texts"),
    [
        (" a cup ", ["a cup"]),
        (b"a caf\xc3\xa9", ["a café"]),
        (b"\xff\xd8\xff\xe0", []),
        (1984, ["1984"]),
        (1984.0, ["1984"]),
        (2.5, ["2.5"]),
        (Decimal("7.00"), ["7"]),
        (10**400, [str(10**400)]),
        (math.nan, []),
        (math.inf, []),
        (["a cup", 7], ["a cup"]),
        (True, []),
        (None, []),
        ({"raw": "a cup", "tokens": ["a", "cup"]}, ["a cup"]),
        ({"en": "a cup", "de": "eine Tasse", "zh-Hans": "一个杯子"}, ["a cup", "eine Tasse", "一个杯子"]),
        ({"English": ["a cup", "a mug"], "German": None}, ["a cup", "a mug"]),
        ({"en": {"caption": ["a cup"], "caption/tokenized": ["a", "cup"]}}, ["a cup"]),
        ({"language": ["en", "de"], "translation": ["a cup", "eine Tasse"]}, ["a cup", "eine Tasse"]),
        ([("en", "a cup"), ("de", "eine Tasse")], ["a cup", "eine Tasse"]),
        ({"url": "http://a/1.jpg", "height": 3}, []),
        ({"id": "7"}, []),
        ([b"a cup", "a mug", ["a bowl"]], ["a cup", "a mug", "a bowl"]),
        ('["a cup", "it\'s \\u00e9"]', ["a cup", "it's é"]),
        ("['a cup', \"it's\"]", ["a cup", "it's"]),
        ("['a, cup' 'a [mug]'\n 'a bowl']", ["a, cup", "a [mug]", "a bowl"]),
        ("['a cup',]", ["a cup"]),
        ("[]", []),
        ('{"en": "a cup"}', ["a cup"]),
        ("{'en': 'a cup', 'de': 'eine Tasse'}", ["a cup", "eine Tasse"]),
        ("[{'raw': 'a cup'}, {'raw': 'a mug'}]", ["a cup", "a mug"]),
        (" nan ", []),
        ("None", []),
        (["a cup", "#N/A"], ["a cup"]),
        ("none", ["none"]),
        ("None of them is red", ["None of them is red"]),
        ("[untitled]", ["[untitled]"]),
        ("[1, 2]", ["[1, 2]"]),
        ("['open", ["['open"]),
        ("{smile}", ["{smile}"]),
        ("['\\x1']", ["['\\x1']"]),
        ("[" * 5000 + "]" * 5000, ["[" * 5000 + "]" * 5000]),
    ],
)
def test_captions_are_read_from_cells_of_every_type(value, texts):
    assert texts_of(value) == texts


def test_what_lies_too_deep_is_no_caption():
    deep = "a cup"
    for _ in range(900):
        deep = [deep]
    assert texts_of(deep) == []


def test_keywords_are_no_numbers():
    assert keywords_of(["cup", 3, "red; blue"]) == ["cup", "red", "blue"]
    assert keywords_of(3) == keywords_of(3.0) == []
    assert keywords_of('["cup", "red"]') == ["cup", "red"]
