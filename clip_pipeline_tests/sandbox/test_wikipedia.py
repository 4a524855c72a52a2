from __future__ import annotations

import bz2
import hashlib
import re
import xml.etree.ElementTree as ElementTree
from collections import Counter

import pytest

from clip_pipeline.sandbox.articles import MARKUP_WORD, make_pages
from clip_pipeline.sandbox.prose import NOUNS, RARE
from clip_pipeline.sandbox.search_index import search_words
from clip_pipeline.sandbox.wikipedia import PAGES_PER_STREAM, make_dump

SPACE = "{http://www.mediawiki.org/xml/export-0.11/}"
NAME = "enwiki-20260101-pages-articles-multistream"
HOST = "dumps.sandbox.test"


@pytest.fixture(scope="module")
def dump():
    return make_dump(seed=0, articles=150)


def test_the_whole_dump_is_one_xml_document(dump):
    root = ElementTree.fromstring(bz2.decompress(dump.pages))
    assert root.tag == f"{SPACE}mediawiki" and root.get("version") == "0.11"
    assert root.findtext(f"{SPACE}siteinfo/{SPACE}dbname") == "enwiki"
    pages = root.findall(f"{SPACE}page")
    namespaces = Counter(page.findtext(f"{SPACE}ns") for page in pages)
    assert {"0", "1", "4", "6", "10", "14"} <= set(namespaces)
    redirects = [page for page in pages if page.find(f"{SPACE}redirect") is not None]
    assert redirects and all("#REDIRECT" in page.findtext(f"{SPACE}revision/{SPACE}text") for page in redirects)
    text = pages[0].find(f"{SPACE}revision/{SPACE}text")
    assert int(text.get("bytes")) == len(text.text.encode())


def test_every_line_of_the_index_leads_to_a_stream_with_that_page(dump):
    lines = bz2.decompress(dump.index).decode().splitlines()
    entries = [line.split(":", 2) for line in lines]
    per_stream = Counter(offset for offset, _, _ in entries)
    assert max(per_stream.values()) == PAGES_PER_STREAM
    for offset in per_stream:
        stream = bz2.BZ2Decompressor().decompress(dump.pages[int(offset) :])
        root = ElementTree.fromstring(b"<pages>" + stream + b"</pages>")
        found = [(page.findtext("id"), page.findtext("title")) for page in root]
        assert found == [(number, title) for at, number, title in entries if at == offset]


def test_titles_are_unique():
    titles = [page.title for page in make_pages(0, 400)]
    assert len(titles) == len(set(titles))


def test_as_many_articles_as_were_asked_for():
    pages = list(make_pages(0, 200))
    bodies = [p for p in pages if p.namespace == 0 and not p.redirect and "may refer to" not in p.text]
    assert len(bodies) == 200


def test_wikitext_holds_what_makes_wikitext_hard():
    text = "\n".join(page.text for page in make_pages(0, 150))
    hard = (
        "{{Infobox",
        "{{{name|}}}",
        "{|",
        "<ref",
        "<!--",
        "<gallery",
        "<math>",
        "<nowiki>",
        "[[File:",
        "[[Category:",
    )
    for piece in (
        *hard,
        "&ndash;",
        "&amp;amp;",
        "#REDIRECT",
        "{{Disambiguation}}",
        "{{disambig}}",
        "Straße",
        "日本語",
        "’s",
    ):
        assert piece in text.replace("{{{name|}}}", "{{{name|}}}"), piece


@pytest.mark.slow
def test_search_words_are_frequent_rare_words_are_not_and_markup_is_hidden():
    counts: Counter[str] = Counter()
    for page in make_pages(0, 1500):
        if page.namespace == 0 and not page.redirect and "may refer to" not in page.text:
            counts.update(re.findall(r"[a-z]+", page.text.lower()))
    assert min(counts[word] for word in search_words()) > 500
    assert min(counts[word] for word in NOUNS) > 100
    assert max(counts[word] for word in RARE if word not in ("cottage", "straw")) < 100
    assert counts[MARKUP_WORD] > 1000


def test_the_mirror_lists_dates_and_files(get):
    assert 'href="20260101/"' in get(HOST, "/enwiki/").text and 'href="latest/"' in get(HOST, "/enwiki/").text
    assert f"{NAME}.xml.bz2" in get(HOST, "/enwiki/20260101/").text
    assert get(HOST, "/enwiki/20990101/").status_code == 404


def test_the_status_file_and_the_checksums_agree_with_the_files(get):
    job = get(HOST, "/enwiki/20260101/dumpstatus.json").json()["jobs"]["articlesmultistreamdump"]
    sums = dict(
        reversed(line.split()) for line in get(HOST, "/enwiki/20260101/enwiki-20260101-sha1sums.txt").text.splitlines()
    )
    assert job["status"] == "done" and set(job["files"]) == {f"{NAME}.xml.bz2", f"{NAME}-index.txt.bz2"} == set(sums)
    for name, facts in job["files"].items():
        content = get(HOST, facts["url"]).content
        assert len(content) == facts["size"]
        assert hashlib.sha1(content).hexdigest() == facts["sha1"] == sums[name]


def test_a_download_can_be_resumed(get):
    path = f"/enwiki/20260101/{NAME}.xml.bz2"
    whole = get(HOST, path)
    part = get(HOST, path, {"Range": "bytes=1000-", "If-Range": whole.headers["ETag"]})
    assert part.status_code == 206 and whole.content[1000:] == part.content
    assert part.headers["Content-Range"] == f"bytes 1000-{len(whole.content) - 1}/{len(whole.content)}"


def test_latest_has_the_same_dump_under_another_name_and_any_wiki_is_served(get, dump):
    assert get(HOST, "/enwiki/latest/enwiki-latest-pages-articles-multistream.xml.bz2").content == dump.pages
    assert get(HOST, "/simplewiki/20251201/simplewiki-20251201-pages-articles-multistream.xml.bz2").status_code == 200
