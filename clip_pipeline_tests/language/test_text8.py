"""text8's rules on pages, on dumps and on the real text; files of such text, good and bad."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import html
import re
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clip_pipeline.errors import DumpError, InputError
from clip_pipeline.language.alphabet import ALPHABET, ids_of, text_of
from clip_pipeline.language.text8 import (
    PageCounts,
    clean_page,
    dump_text,
    is_true_text8,
    read_text8,
    split_bounds,
)
from clip_pipeline.sources.wikimedia.dump_files import describe_dump
from clip_pipeline_tests.words.dumps import dump_xml, page_xml, write_multistream


def rules_as_published(raw: bytes) -> bytes:
    """wikifil.pl line by line, with regular expressions, on a page's escaped text."""
    if re.search(rb"#redirect", raw, re.I):
        return b""
    for pattern, into in (
        (rb"&amp;", rb"&"), (rb"&lt;", rb"<"), (rb"&gt;", rb">"),
        (rb"<ref[^<]*</ref>", rb""), (rb"<[^>]*>", rb""), (rb"\[http:[^] ]*", rb"["),
        (rb"(?i)\|thumb", rb""), (rb"(?i)\|left", rb""), (rb"(?i)\|right", rb""), (rb"(?i)\|\d+px", rb""),
        (rb"(?i)\[\[image:[^\[\]]*\|", rb""), (rb"(?i)\[\[category:([^|\]]*)[^]]*\]\]", rb"[[\1]]"),
        (rb"\[\[[a-z\-]*:[^\]]*\]\]", rb""), (rb"\[\[[^\|\]]*\|", rb"[["),
        (rb"\{\{[^\}]*\}\}", rb""), (rb"\{[^\}]*\}", rb""), (rb"\[", rb""), (rb"\]", rb""), (rb"&[^;]*;", rb" "),
    ):  # fmt: skip
        raw = re.sub(pattern, into, raw)
    raw = b" " + raw.lower() + b" "
    for digit, name in enumerate(b"zero one two three four five six seven eight nine".split()):
        raw = raw.replace(str(digit).encode(), b" " + name + b" ")
    return re.sub(rb"[^a-z]+", b" ", raw)[:-1]


MARKUP = st.lists(
    st.sampled_from(
        (
            *(
                "[[",
                "]]",
                "[",
                "]",
                "{{",
                "}}",
                "{",
                "}",
                "|",
                "<",
                ">",
                "<ref",
                "</ref>",
                "<ref>",
                "/",
                ":",
                "&",
                ";",
                "&amp;",
                "&lt;",
            ),
            *(
                "Image:",
                "Category:",
                "category:",
                "de:",
                "zh-min-nan:",
                "http://a.org ",
                "[http:",
                "|thumb",
                "|Left",
                "|250px",
            ),
            *("Word", "two words", "é", "\n", '"', "7", "1984", "#", "'''", "&quot;", "&nbsp;", "x"),
        )
    ),
    max_size=30,
).map("".join)


@given(MARKUP)
def test_any_markup_is_read_as_the_published_rules_read_it(text):
    assert clean_page(text) == rules_as_published(html.escape(text, quote=True).replace("&#x27;", "'").encode())


def test_by_hand():
    page = "'''Anarchism''' is [[politics|a view]] of 1 {{cite|x}} ''man''.<ref name=a>no</ref> [[Category:Views|A]] [[de:Anarchie]] &ndash; AT&T"
    assert clean_page(page) == b" anarchism is a view of one man views at t"
    assert (
        clean_page("[[Image:A.jpg|thumb|200px|A [[cat|tom cat]]]] [http://a.org/b the site]") == b" a tom cat the site"
    )
    assert clean_page("#REDIRECT [[Cat]]") == b"" and clean_page(" 日本 ") == b""


@pytest.mark.parametrize("piece", ["[[", "{{", "[[a:", "[[Category:", "<ref", "&", "{", "[[image:", "<"])
def test_a_page_that_opens_half_a_million_times_and_closes_nothing_is_read_in_seconds(piece):
    began = time.process_time()
    clean_page(piece * 500_000)
    assert time.process_time() - began < 5


def test_the_real_dump_gives_the_real_text(shared_data, tmp_path):
    folder = shared_data("enwik8_text8_prefix")
    raw = (folder / "enwik8.first-4154399-bytes").read_bytes()
    dump = tmp_path / "enwiki.xml"
    dump.write_bytes(raw[: raw.rindex(b"</page>") + 7] + b"</mediawiki>")
    text, counts = dump_text([(dump, part) for part in describe_dump(dump, 1).parts])
    expected = (folder / "text8.first-3000000-chars").read_bytes()
    assert len(text) >= 3_000_000 and text[:3_000_000] == expected
    assert counts.taken > 100 and counts.redirects > 100 and not counts.other_models


def test_parts_of_a_dump_give_the_text_of_the_whole(tmp_path):
    pages = [[page_xml(f"Page {n} {m}", f"Page number {n} and {m}.", 10 * n + m) for m in range(3)] for n in range(6)]
    dump = tmp_path / "simplewiki-20260101-pages-articles-multistream.xml.bz2"
    write_multistream(dump, pages)
    whole, counts = dump_text([(dump, part) for part in describe_dump(dump, 1).parts])
    parts = describe_dump(dump, 4).parts
    assert len(parts) > 1
    assert dump_text([(dump, part) for part in parts]) == (whole, counts) and counts.taken == 18
    assert whole.startswith(b" page number zero and zero page number zero and one")
    assert dump_text([(dump, part) for part in parts], most=30)[0] == whole[:30]


def test_what_is_left_out_is_counted(tmp_path):
    module = page_xml("Module:A", "return 1", 4, 828).replace("<text", "<model>Scribunto</model><text")
    dump = tmp_path / "wiki.xml"
    dump.write_text(
        dump_xml(page_xml("A", "a cat"), page_xml("B", "#REDIRECT [[A]]", 2), page_xml("C", "{{x}}", 3), module)
    )
    text, counts = dump_text([(dump, part) for part in describe_dump(dump, 1).parts])
    assert (text, counts) == (b" a cat", PageCounts(taken=1, redirects=1, other_models=1, empty=1))


def test_a_cut_dump_is_refused(tmp_path):
    dump = tmp_path / "wiki.xml"
    dump.write_text(dump_xml(page_xml("A", "a cat"))[:-20])
    with pytest.raises(DumpError, match="is cut"):
        dump_text([(dump, part) for part in describe_dump(dump, 1).parts])


@given(st.text(alphabet=ALPHABET, max_size=50))
def test_ids_and_back(text):
    ids = ids_of(text.encode())
    assert ids.tolist() == [ALPHABET.index(letter) for letter in text] and text_of(ids) == text


def test_packed_files_and_checksums(tmp_path):
    text = b" a small text" * 100
    for name, content in {"t": text, "t.gz": gzip.compress(text), "t.bz2": bz2.compress(text)}.items():
        (tmp_path / name).write_bytes(content)
        assert read_text8(tmp_path / name, hashlib.sha256(text).hexdigest().upper()) == text
        assert read_text8(tmp_path / name, most=20) == text[:20]
    with pytest.raises(
        InputError, match=f"has the sha256 {hashlib.sha256(text).hexdigest()}, and {'0' * 64} was expected"
    ):
        read_text8(tmp_path / "t", "0" * 64)
    (tmp_path / "cut.gz").write_bytes(gzip.compress(text)[:-9])
    with pytest.raises(InputError, match="cut.gz"):
        read_text8(tmp_path / "cut.gz")
    assert not is_true_text8(text)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b" a cat\xc3\xa9 sat", r"holds 'é' at character 7, in ' a caté sat'; expected a to z and spaces"),
        (b" a Cat", "holds 'C' at character 4"),
        (b" a cat\n", r"ends with a line end, at character 7.*Take it off"),
        (b"x" * 300_000 + b"9", "holds '9' at character 300,001"),
        (b"one\ntwo", r"holds '\\n' at character 4"),
    ],
)
def test_a_character_outside_the_alphabet_is_named_with_its_place(tmp_path, content, sentence):
    (tmp_path / "text").write_bytes(content)
    with pytest.raises(InputError, match=sentence):
        read_text8(tmp_path / "text")


def test_splits_by_place():
    assert split_bounds(100_000_000) == {
        "train": (0, 90_000_000),
        "validation": (90_000_000, 95_000_000),
        "test": (95_000_000, 100_000_000),
    }
    assert split_bounds(57) == {"train": (0, 53), "validation": (53, 55), "test": (55, 57)}
    with pytest.raises(InputError, match="has 39 characters; a twentieth of it.*too short"):
        split_bounds(39)
    assert np.array_equal(ids_of(b"ab "), [1, 2, 0])
