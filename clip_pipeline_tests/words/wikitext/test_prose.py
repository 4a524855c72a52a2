from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clip_pipeline_tests.words.scanned_prose import plain_text


@pytest.mark.parametrize(
    ("wikitext", "expected"),
    [
        ("A '''bold''' and ''italic'' word.", "A bold and italic word."),
        ("[[dog]]s and [[cat|the cats]], [[Paris#History|Paris]]", "dogs and the cats, Paris"),
        ("[[A: title with a colon]]", "A: title with a colon"),
        ("before {{Infobox|a={{b|{{c}}}}|d=[[e]]}} after", "before   after"),
        ("x{{a|\n|}}y", "x y"),
        ("{{cite|title=a}b}}z", "z"),
        ("one<ref>a book</ref> two<ref name=x /> three<ref name='y'>{{cite}}</ref>.", "one  two three ."),
        ("a<!-- hidden [[link]] {{ -->b", "ab"),
        ("area <math>\\frac{{a}}{b}</math> end", "area   end"),
        ("<nowiki>{{not a template}}</nowiki>", "not a template"),
        ("''Foo''<nowiki/>'s", "Foo's"),
        ("<gallery>\nFile:A.jpg|hidden\n</gallery>shown", "shown"),
        ("<syntaxhighlight lang='c'>int x;</syntaxhighlight>shown", "shown"),
        ("{| class=x\n! head\n|-\n| cell {{t|\n|}} more\n{|\n| inner\n|}\n|}\nafter", "after"),
        (":{| class=x\n| cell\n|}\nafter", "after"),
        ("[[File:A b.jpg|thumb|250px|alt=hidden words|A [[cat|big cat]] asleep]] Text", "A big cat asleep\nText"),
        ("[[Image:A.jpg|thumb|right|upright=1.2]] Text", "Text"),
        ("[[File:A.jpg|thumb|seen [here] in [[Rome]]]] Text", "seen [here] in Rome\nText"),
        ("[[File:A.jpg|thumb|of [[File:B.png|20px|a star]] kind]]", "of\na star\nkind"),
        ("Text [[Category:Cats|cats]]\n[[Category:Dogs]]\n[[de:Katze]]", "Text"),
        ("see [[:Category:Cats]]", "see :Category:Cats"),
        ("see [http://example.org/a?b=c the site] and [https://example.org]", "see the site and"),
        ("bare https://example.org/words/in/url end", "bare   end"),
        ("== Heading ==\n* item one\n*# item two\n; term\n: indented", "Heading\nitem one\nitem two\nterm\nindented"),
        ("fish&nbsp;&amp; chips &lt;b&gt; caf&eacute;", "fish & chips <b> café"),
        ("Q&amp;amp;A on&amp;nbsp;air", "Q&A on air"),
        ("H<sub>2</sub>O is<br/>wet<br>", "H2O is\nwet"),
        ("__NOTOC__ __FORCETOC__text", "text"),
        ("5 < 6 and 7 > 3", "5 < 6 and 7 > 3"),
        ("", ""),
    ],
)
def test_markup_becomes_the_text_a_reader_sees(wikitext, expected):
    assert plain_text(wikitext) == expected


def test_names_of_files_and_categories_in_the_wiki_s_own_language_are_known():
    text = "[[Fails:A.jpg|thumb|kakis]] Teksts [[Kategoreja:Kaki]]"
    assert plain_text(text, ["Fails", "Kategoreja"]) == "kakis\nTeksts"


def test_an_unclosed_template_loses_its_braces_side_only_and_the_article_goes_on():
    text = plain_text("{{Infobox\n| name = hidden\nThe dog {{inner}} runs.")
    assert "dog" in text and "runs" in text and "inner" not in text and "hidden" not in text


def test_an_unclosed_reference_keeps_the_text_after_it():
    assert plain_text("one<ref>two three") == "onetwo three"


def test_an_unclosed_table_keeps_the_prose_after_it():
    assert plain_text("{| class=x\n| cell\n|-\nprose") == "prose"


HOSTILE = ["{{", "}}", "{|", "\n{|", "|}", "[[", "]]", "[[File:a|", "<ref>", "<ref", "</ref>", "<!--", "-->", "[http://", "''", "__",
           "=", "\n", " ", "{{{", "a|", "<nowiki>", "&", "&#", ":", "[[a|", "{{disambig", "https://a", "_A", "-", "'a", "<b ", "<br/", "</nowiki"]  # fmt: skip


@pytest.mark.parametrize("piece", HOSTILE)
def test_the_time_is_linear_whatever_is_repeated(piece):
    text = piece * (400_000 // len(piece))
    started = time.process_time()
    plain_text(text)
    # A quadratic step over 400,000 characters takes minutes.
    assert time.process_time() - started < 5


@pytest.mark.parametrize(
    "start", ["[[File:a|", "[[File:a|upright", "[[", "[http://a", "{{disambig", "'", "alt", "<b", "<ref"]
)
@pytest.mark.parametrize("end", ["z]]", "]]", "}}", "=", ">", ""])
def test_the_time_is_linear_in_a_run_of_blanks_wherever_it_stands(start, end):
    started = time.process_time()
    plain_text(start + " " * 100_000 + end)
    assert time.process_time() - started < 2


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from([*HOSTILE, "word", "</nowiki>", "</gallery>", "<gallery>", "thumb|"]), max_size=60))
def test_any_mixture_of_brackets_gives_text_without_double_ones(pieces):
    text = plain_text("".join(pieces))
    assert "[[" not in text and "\n\n" not in text


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(
    st.recursive(
        st.just("x"), lambda inner: st.lists(inner, max_size=3).map(lambda parts: "{{t|" + "|".join(parts) + "}}")
    )
)
def test_balanced_templates_vanish_whatever_their_nesting(template):
    text = plain_text(f"before {template} after").split()
    assert text == (["before", "x", "after"] if template == "x" else ["before", "after"])
