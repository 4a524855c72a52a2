"""The one line of the search: terms, weights, filters, and sentences for what cannot be meant."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clip_pipeline.errors import SettingsError
from clip_pipeline.searching.query import MAX_TERMS, Query, Term, TermKind, parse_query

TEXT, PHOTO, FILE = TermKind.TEXT, TermKind.PHOTO, TermKind.FILE


@pytest.mark.parametrize(
    ("line", "terms"),
    [
        ("red cup", [Term(TEXT, "red cup")]),
        ('red cup + photo:ID*0.5 - "a car"', [Term(TEXT, "red cup"), Term(PHOTO, "ID", 0.5), Term(TEXT, "a car", minus=True)]),
        ("photo:-hGS8gK8-HG", [Term(PHOTO, "-hGS8gK8-HG")]),
        ("dog -ball", [Term(TEXT, "dog"), Term(TEXT, "ball", minus=True)]),
        ("dog − ball photo:x", [Term(TEXT, "dog"), Term(TEXT, "ball", minus=True), Term(PHOTO, "x")]),
        ("- photo:x dog", [Term(PHOTO, "x", minus=True), Term(TEXT, "dog")]),
        ("a t-shirt at 16:9, -5 degrees", [Term(TEXT, "a t-shirt at 16:9, -5 degrees")]),
        ("red cup*2 blue boat", [Term(TEXT, "red cup", 2.0), Term(TEXT, "blue boat")]),
        ('"red cup"*2 + "boat - sail"', [Term(TEXT, "red cup", 2.0), Term(TEXT, "boat - sail")]),
        ("ein roter Becher – Tasse", [Term(TEXT, "ein roter Becher"), Term(TEXT, "Tasse", minus=True)]),
    ],
)  # fmt: skip
def test_terms_are_read_as_they_are_meant(line, terms):
    assert parse_query(line) == Query(tuple(terms))


def test_filters_stand_anywhere_and_several_values_of_one_come_together():
    query = parse_query('word:kitchen red cup licence:"CC BY" word:table split:test', filters=[("size", "800")])
    assert query.terms == (Term(TEXT, "red cup"),)
    assert query.filters == {"word": ("kitchen", "table"), "licence": ("CC BY",), "split": ("test",), "size": ("800",)}


def test_options_add_terms():
    query = parse_query("", like=["a.jpg*0.5", "ID"], unlike=["snow"])
    assert query.terms == (Term(FILE, "a.jpg", 0.5), Term(FILE, "ID"), Term(TEXT, "snow", minus=True))


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("", r"The query is empty\. Say what is looked for"),
        ("   + ", "The query is empty"),
        ("- cup", "only says what is unwanted"),
        ("word:cup", "The query is empty"),
        ("x" * 100_000, "100,000 characters, the most that are read is 2,000"),
        ("cup*nan", r"the weight after \* is a number above 0 and at most 100"),
        ("cup*inf", "the weight after"),
        ("cup*-1", "the weight after"),
        ("cup*1e400", "the weight after"),
        ("cup*two", "the weight after"),
        ("license:cc cup", r"there is no filter license\. There are word, licence"),
        (" + ".join(["cup"] * (MAX_TERMS + 1)), "17 terms, the most that are read is 16"),
    ],
)
def test_what_cannot_be_meant_is_a_sentence(line, sentence):
    with pytest.raises(SettingsError, match=sentence):
        parse_query(line)


def test_long_options_and_unknown_filters_are_refused_too():
    with pytest.raises(SettingsError, match="A term has 100,000 characters"):
        parse_query("cup", unlike=["x" * 100_000])
    with pytest.raises(SettingsError, match="There is no filter colour"):
        parse_query("cup", filters=[("colour", "red")])


@given(st.text(max_size=60))
def test_any_line_is_a_query_or_a_sentence(line):
    try:
        query = parse_query(line)
    except SettingsError as error:
        assert str(error).endswith(".")
    else:
        assert query.plus and all(0 < term.weight <= 100 and term.what for term in query.terms)
