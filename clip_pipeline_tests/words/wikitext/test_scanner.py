"""The compiled scanner against the plain Python of `reference_wikitext.py`, which was written before it, from patterns."""

from __future__ import annotations

import bz2
import re
import time
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba.core import caching

from clip_pipeline.text.word_boundaries import split_words
from clip_pipeline.words import table as word_table
from clip_pipeline.words.count import CountLimits
from clip_pipeline.words.reading import PageCounter, add_text, page_chunks, prose_of
from clip_pipeline.words.sorted_runs import merge_runs, write_run
from clip_pipeline.words.table import WordTable
from clip_pipeline.words.wiki_names import ENGLISH_LINK_NAMES
from clip_pipeline.words.wikitext import scanner
from clip_pipeline.words.wikitext.link_kinds import CATEGORY, IMAGE
from clip_pipeline.words.wikitext.scanner import WIKITEXT
from clip_pipeline_tests.words import reference_articles, reference_wikitext
from clip_pipeline_tests.words.dumps import count_dumps, dump_xml, page_xml, read_pages, write_multistream
from clip_pipeline_tests.words.scanned_prose import is_disambiguation, tidy_lines

SHOWN_TEMPLATE = re.compile(r"\{\{\s*(?:(?:block|c|poem)?quote|quotation|w|nowrap|nobr|'s?)(?=\s*[|}])", re.IGNORECASE)
"""Of which the reference knows nothing."""


def counted(texts: list[str], rules: int = 0, names=ENGLISH_LINK_NAMES) -> dict[str, tuple[int, int]]:
    words = WordTable(names, rules)
    for text in texts:
        add_text(words, text, WIKITEXT)
    return {row["word"]: (row["count"], row["documents"]) for row in words.finish().to_pylist() if row["count"]}


def expected(texts: list[str], link_names=()) -> dict[str, tuple[int, int]]:
    words: Counter[str] = Counter()
    documents: Counter[str] = Counter()
    for text in texts:
        found = split_words(reference_wikitext.plain_text(text, link_names))
        found += split_words(reference_wikitext.gallery_captions(text, link_names))
        words.update(found)
        documents.update(set(found))
    return {word: (words[word], documents[word]) for word in words}


# ---- real dumps: the very same words, to the last one


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "derived_multistream/enwiki-sample-pages-articles-multistream.xml.bz2",
        "dumpster-dive/smallwiki-latest-pages-articles.xml",
        "wiktionary-sample/test-pages-articles.xml.bz2",
        "gensim/enwiki-table-markup.xml.bz2",
    ],
)
def test_real_dumps_have_the_words_of_the_reference(shared_data, name):
    path = shared_data(f"wikipedia/{name}")
    xml = bz2.decompress(path.read_bytes()) if path.suffix == ".bz2" else path.read_bytes()
    texts = []
    for page in read_pages([xml]):
        if page.namespace == 0 and not page.redirect:
            assert is_disambiguation(page.text) == reference_articles.is_disambiguation(page.text), page.title
            if not reference_articles.is_disambiguation(page.text):
                texts.append(page.text)
    assert texts
    # The small wiki has names of its own. The reference takes its categories for images, with their sort keys as captions.
    namespaces = re.findall(r'<namespace key="(6|14)"[^>]*>([^<]+)<', xml[:10_000].decode(errors="replace"))
    own = {"6": "File", "14": "Category"} | dict(namespaces)
    texts = [text.replace(f"[[{own['14']}:", "[[Category:") for text in texts]
    names = {"File": IMAGE, "Image": IMAGE, "Media": IMAGE, "Category": CATEGORY, own["6"]: IMAGE}
    counts = {row["word"]: (row["count"], row["documents"]) for row in count_dumps([path], workers=2).to_pylist()}
    if own["6"] == "File":  # of a wiki in another language the dump's reader knows more names than the reference
        assert counts == counted(texts, names=names)
    texts = [SHOWN_TEMPLATE.sub("{{unknown", text) for text in texts]
    # An example of HTML, <'''span'''>, is text; the reference takes quotes away first, and then the tag.
    texts = [re.sub(r"<(/?)(?=''')", r"&lt;\1", text) for text in texts]
    counts = counted(texts, names=names)
    wanted = expected(texts, [name for name in names if name != "Category"])
    assert {word: (counts.get(word), wanted.get(word)) for word in counts.keys() | wanted.keys() if counts.get(word) != wanted.get(word)} == {}  # fmt: skip


# ---- generated wikitext


WORDS = st.sampled_from(
    [
        "cat",
        "Dog",
        "x-ray",
        "don't",
        "Émile",
        "Ελλάς",
        "1990",
        "mp3",
        "naïve",
        "猫",
        "हिन्दी",
        "עִבְרִית",
        " ",
        "\n",
        ", ",
        "’",
        "–",
    ]
)
INLINE = st.sampled_from(
    ["&nbsp;", "&amp;", "&amp;nbsp;", "&eacute;", "&#233;", "&lt;", "<br/>", "<b>", "</b>", "''", "'''", "<nowiki/>", "__NOTOC__", "\n* ", "\n== "]
)  # fmt: skip


def wikitext_trees():
    def wrap(inner):
        text = st.lists(inner, max_size=4).map("".join)
        return st.one_of(
            text.map(lambda body: "{{t|" + body + "}}"),
            text.map(lambda body: "<ref name=a>" + body.replace("<", "") + "</ref>"),
            text.map(lambda body: "<!-- " + body.replace("-->", "") + " -->"),
            text.map(lambda body: "[[link|" + re.sub(r"[\[\]]", "", body) + "]]"),
            text.map(lambda body: "\n{| class=x\n| " + body + "\n|}\n"),
            text.map(lambda body: "[http://example.org/a " + re.sub(r"[\[\]\n]|<br/>", "", body) + "]"),
            text.map(lambda body: "<gallery>\nFile:A.jpg|" + body.replace("<", "") + "\n</gallery>"),
            text,
        )

    return st.lists(st.recursive(st.one_of(WORDS, INLINE), wrap, max_leaves=25), max_size=6).map("".join)


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@given(wikitext_trees())
def test_generated_wikitext_has_the_words_of_the_reference(text):
    assert counted([text]) == expected([text])


@settings(max_examples=200, deadline=None)
@given(st.text(st.sampled_from("ab'-’_ΣσİIi1 ²½éÉ\u0301\u0307\ufe0fहिन्ไืகி中あ,\n")))
def test_words_of_plain_text_are_those_of_tokens_py(text):
    # Σ at the end of a word is told by the next letter alone; Python looks past marks and apostrophes.
    words = Counter(word.replace("ς", "σ") for word in split_words(text.replace("''", " ")))
    found = counted([text.replace("''", " ")])
    straightened: Counter[str] = Counter()
    for word, (number, _) in found.items():
        straightened[word.replace("ς", "σ")] += number
    assert straightened == words


@pytest.mark.parametrize("word", ["हिन्दी", "ไทย", "தமிழ்", "বাংলা", "עִבְרִית", "café", "ἄνθρωπος", "İzmir"])
def test_words_with_vowel_signs_stay_whole(word):
    small = word.replace("İ", "i")
    assert counted([f"{word} [[{word}]] ''{word}''-{word} {word}\u200b\u0301{word}"]) == {
        small: (4, 1),
        f"{small}-{small}": (1, 1),
    }


@pytest.mark.parametrize(
    "piece", ["{{", "[[", "<ref>", "<", "&", "[http://a ", "{|\n", "]]", "}}", "[[File:a|", "<!--", "''", "<gallery>|"]
)
def test_a_million_brackets_take_a_moment(piece):
    text = piece * (1_000_000 // len(piece))
    counted(["warm"])
    started = time.process_time()
    counted([text])
    assert time.process_time() - started < 3


# ---- the quick way and the careful way


PAGES = [page_xml(f"P{n}", f"word{n} shared & <b>bold</b> &nbsp; ''it'' naïve", n + 1) for n in range(6)]
ODD_PAGES = [
    PAGES[0].replace("<ns>0</ns>", ""),
    PAGES[0].replace("shared", "<![CDATA[shared]]>"),
    PAGES[0].replace("shared", "sh&#97;red"),
    PAGES[0].replace("<page>", "<page ><!-- </page> -->"),
    PAGES[0].replace("    <revision>", "    <revision><id>1</id><text>old words</text></revision>\n    <revision>", 1),
    "<logitem><id>5</id></logitem>",
    "<!-- a comment </page> between pages -->",
]


@pytest.mark.parametrize("odd", ODD_PAGES)
@pytest.mark.parametrize("size", [7, 100, 5000])
def test_odd_pages_are_read_by_expat_and_the_others_around_them_as_well(odd, size):
    xml = dump_xml(*PAGES[1:4], odd, *PAGES[4:]).encode()
    words = WordTable(ENGLISH_LINK_NAMES)
    counter = PageCounter("x.xml", words)
    for chunk in page_chunks(xml[start : start + size] for start in range(0, len(xml), size)):
        counter.add(chunk)
    counter.close()
    got = {row["word"]: (row["count"], row["documents"]) for row in words.finish().to_pylist()}
    texts = [page.text for page in read_pages([xml]) if page.namespace == 0 and not page.redirect]
    assert got == expected(texts)


def test_captions_of_images_and_galleries_count_and_are_told_apart():
    words = WordTable(ENGLISH_LINK_NAMES)
    text = "A cat. [[File:A.jpg|thumb|A [[cat|Cat]] sleeps]] <gallery>\nFile:B.jpg|Two dogs\nC.jpg\n</gallery> Cat"
    add_text(words, text, WIKITEXT)
    rows = {row.pop("word"): tuple(row.values()) for row in words.finish().to_pylist()}
    assert rows == {  # count, documents, capitalised, captioned
        "a": (2, 1, 2, 1), "cat": (3, 1, 2, 1), "sleeps": (1, 1, 0, 1), "two": (1, 1, 1, 1), "dogs": (1, 1, 0, 1),
    }  # fmt: skip


# ---- the rules of wikipedia-word-frequency, counted again from their description


def frequency_words(text: str) -> Counter[str]:
    words: Counter[str] = Counter()
    for line in text.split("\n"):
        for piece in re.split(r"[^\w'-]", line.replace("–", "-").replace("’", "'").lower()):
            if piece and re.match(r"\w", piece[0]) and re.match(r"\w", piece[-1]) and not re.search(r"\d", piece):
                words[piece] += 1
    return words


@pytest.mark.slow
def test_the_rules_of_the_frequency_list_are_kept(shared_data, tmp_path):
    text = "Non–profit don’t -dash dash- a--b _under_ 3d x2 ²nd É l'été 'quoted' end"
    assert {word: n for word, (n, _) in counted([text], 1).items()} == frequency_words(text)
    path = shared_data("wikipedia/derived_multistream/enwiki-sample-pages-articles-multistream.xml.bz2")
    wanted: Counter[str] = Counter()
    table = WordTable(ENGLISH_LINK_NAMES)
    for page in read_pages([bz2.decompress(path.read_bytes())]):
        if page.namespace == 0 and not page.redirect:
            text = tidy_lines(prose_of(table, page.text).translate({1: "\n", 2: "\n"}))
            wanted.update(frequency_words(text.replace("i\u0307", "i").replace("İ", "i")))
    counts = count_dumps([path], rules="wikipedia-word-frequency")
    assert dict(zip(counts["word"].to_pylist(), counts["count"].to_pylist(), strict=True)) == wanted


# ---- memory: tables that are full go to disk


@pytest.mark.slow
def test_full_tables_go_to_disk_and_the_counts_stay_the_same(tmp_path, monkeypatch):
    path = tmp_path / "enwiki-20240101-pages-articles-multistream.xml.bz2"
    pages = [page_xml(f"P{n}", " ".join(f"w{(n * 37 + k) % 900:x}é shared" for k in range(60)), n) for n in range(80)]
    write_multistream(path, [pages[n : n + 8] for n in range(0, 80, 8)], index=False)
    whole = count_dumps([path])
    written = []
    limits = CountLimits(max_entries=300, min_entries=64, max_rows=500, min_rows=50, min_parallel_bytes=0)
    monkeypatch.setattr(word_table, "write_run", lambda *arguments: written.append(1) or write_run(*arguments))
    for workers in (1, 2):
        assert count_dumps([path], workers=workers, limits=limits).equals(whole)
    assert len(written) > 4


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.dictionaries(st.text(st.sampled_from("abé中"), min_size=1, max_size=4), st.integers(1, 9)), max_size=5)
)
def test_a_merge_of_runs_is_their_sum_in_order(tmp_path_factory, parts):
    import pyarrow as pa

    from clip_pipeline.records import WORD_COUNTS

    folder = tmp_path_factory.mktemp("runs")
    paths = []
    for number, part in enumerate(parts):
        words = sorted(part, key=str.encode)
        numbers = [part[word] for word in words]
        paths.append(folder / f"{number}.parquet")
        write_run([pa.table([words, numbers, numbers, numbers, numbers], schema=WORD_COUNTS)], paths[-1])
    rows = [row for merged in merge_runs(paths) for row in merged.select(["word", "count"]).to_pylist()]
    total = sum((Counter(part) for part in parts), Counter())
    assert [(row["word"], row["count"]) for row in rows] == sorted(total.items(), key=lambda item: item[0].encode())


# ---- compiling


def test_the_digest_is_of_every_file_that_the_scanner_is_compiled_of():
    files = {path.stem for path in Path(scanner.__file__).parent.glob("*.py")} - {"__init__"}
    assert set(scanner._KERNELS) == files and len(scanner._KERNELS) == len(files)


def test_without_a_writable_folder_the_scanner_is_compiled_in_memory(monkeypatch, caplog):
    monkeypatch.setattr(caching.CacheImpl, "_locator_classes", [])
    assert callable(scanner._make_scan("another digest"))
    assert "Set NUMBA_CACHE_DIR" in caplog.text
