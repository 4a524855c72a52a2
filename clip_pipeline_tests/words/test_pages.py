from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clip_pipeline.errors import DumpError
from clip_pipeline.words.pages import Page
from clip_pipeline.words.reading import read_site
from clip_pipeline_tests.words.dumps import FOOT, HEAD, dump_xml, page_xml, read_pages


def read(text: str | bytes) -> list[Page]:
    data = text if isinstance(text, bytes) else text.encode()
    return list(read_pages(data[start : start + 100] for start in range(0, len(data), 100)))


def test_pages_come_with_title_namespace_and_decoded_text():
    xml = dump_xml(page_xml("Tom & Jerry", "a <b> &nbsp; c", 5), page_xml("Talk:X", "t", 6, namespace=1))
    assert read(xml) == [Page(5, "Tom & Jerry", 0, False, "a <b> &nbsp; c"), Page(6, "Talk:X", 1, False, "t")]


def test_redirects_are_marked_by_element_or_by_their_text():
    pages = read(
        dump_xml(page_xml("A", "#REDIRECT [[B]]", redirect="B"), page_xml("C", "#redirect [[D]]"), page_xml("D", "x"))
    )
    assert [page.redirect for page in pages] == [True, True, False]


@pytest.mark.parametrize("version", ["0.3", "0.10", "0.11", "0.99"])
def test_the_version_of_the_export_format_does_not_matter(version):
    assert len(read(dump_xml(page_xml("A", "x")).replace("0.11", version))) == 1


def test_an_old_export_without_ns_finds_the_namespace_in_the_title_and_a_plain_colon_is_none():
    xml = dump_xml(page_xml("Talk:Cats", "x"), page_xml("Alien: Resurrection", "y")).replace("<ns>0</ns>", "")
    assert [page.namespace for page in read(xml)] == [1, 0]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-8-sig"])
def test_other_encodings_are_read(encoding):
    name = "UTF-16" if "16" in encoding else "UTF-8"
    xml = f'<?xml version="1.0" encoding="{name}"?>\n' + dump_xml(page_xml("Ä", "köy 🐈"))
    assert read(xml.encode(encoding))[0].text == "köy 🐈"


def test_of_a_page_with_history_the_newest_revision_counts():
    page = page_xml("A", "new").replace(
        "    <revision>", "    <revision><id>1</id><text>old</text></revision>\n    <revision>", 1
    )
    assert read(dump_xml(page))[0].text == "new"


def test_a_cut_document_raises_and_names_the_last_whole_page():
    xml = dump_xml(page_xml("First", "x"), page_xml("Second", "y"))
    for length in range(len(HEAD), len(xml.rstrip()) - 1, 7):
        with pytest.raises(DumpError, match="is cut"):
            read(xml[:length])
    with pytest.raises(DumpError, match='last whole page read is "First"'):
        read(xml[: xml.index("Second") + 3])
    with pytest.raises(DumpError, match="No whole page"):
        read(HEAD)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no XML"),
        ("just words", "no XML"),
        ("<html><body>404</body></html>", "root is <html>"),
        (HEAD + "<page><title>A</page>" + FOOT, "damaged"),
        ('<!DOCTYPE x [<!ENTITY a "b"><!ENTITY c "&a;&a;">]>' + HEAD + FOOT, "document type"),
        ('<!DOCTYPE x SYSTEM "file:///etc/passwd">' + HEAD + FOOT, "document type"),
        ('<?xml version="1.0" encoding="utf-7"?>' + HEAD + FOOT, 'is written in "utf-7", which is not read'),
        ('<?xml version="1.0" encoding="idna"?>' + HEAD + FOOT, "which is not read|no XML"),
        (HEAD + page_xml("A", "x").replace("<ns>0</ns>", "<ns>none</ns>") + FOOT, 'has the namespace "none"'),
        (HEAD + page_xml("A", "x").replace("<ns>0</ns>", f"<ns>{'1' * 9000}</ns>") + FOOT, "has the namespace"),
        (
            HEAD + page_xml("A", "x").replace("<ns>0</ns>", f"<ns>{'1' * 20_000}</ns>") + FOOT,
            "title or number of more than",
        ),
        (HEAD + page_xml("A" * 20_000, "x") + FOOT, "a title or number of more than 10,000 characters"),
        (HEAD + "<a>" * 100, "more than 64 elements within each other"),
    ],
)
def test_what_is_no_export_is_refused_with_a_sentence(text, message):
    with pytest.raises(DumpError, match=message):
        read(text)


def test_the_wiki_s_own_namespace_names_are_read():
    names = read_site([dump_xml(page_xml("A", "x")).replace(">File<", ">Fails<").encode()], "x.xml").namespaces
    assert names[6] == "Fails" and names[14] == "Category"


@given(
    st.lists(
        st.tuples(
            st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff"))
        ),
        max_size=5,
    )
)
def test_any_text_survives(texts):
    pages = read(dump_xml(*(page_xml("T", text, number) for number, (text,) in enumerate(texts))))
    assert [page.text for page in pages] == [text for (text,) in texts]
