from __future__ import annotations

import bz2
import re
from collections import Counter

import pytest

from clip_pipeline.errors import DumpError
from clip_pipeline.records import WORD_COUNTS
from clip_pipeline.sources.wikimedia.dump_files import describe_dump, part_pieces
from clip_pipeline.words.count import CountLimits, count_part
from clip_pipeline.words.sorted_runs import merge_counts
from clip_pipeline_tests.words.dumps import count_dumps, dump_xml, page_xml, read_pages, write_multistream

PAGES = [
    page_xml("Cat", "A '''cat''' is a [[pet|small pet]]. {{Infobox|cat=hidden}}<ref>hidden cat</ref>"),
    page_xml("Dog: the animal", "A dog&nbsp;&amp; a cat. Dogs don't purr.\n[[Category:Hidden]]"),
    page_xml("Kitty", "#REDIRECT [[Cat]]", redirect="Cat"),
    page_xml("Talk:Cat", "hidden cat", namespace=1),
    page_xml("Cat (disambiguation)", "hidden cat\n{{disambiguation}}"),
    page_xml("Year", "1990 was a [[year]] with 365 days"),
]
EXPECTED = {  # word: (count, documents)
    "a": (5, 3), "cat": (2, 2), "days": (1, 1), "dog": (1, 1), "dogs": (1, 1), "don't": (1, 1), "is": (1, 1), "pet": (1, 1),
    "purr": (1, 1), "small": (1, 1), "was": (1, 1), "with": (1, 1), "year": (1, 1),
}  # fmt: skip


def as_dict(table) -> dict[str, tuple[int, int]]:
    return {row["word"]: (row["count"], row["documents"]) for row in table.to_pylist()}


def test_counts_equal_those_made_by_hand(tmp_path):
    path = tmp_path / "x-pages-articles.xml"
    path.write_text(dump_xml(*PAGES))
    table = count_dumps([path])
    assert as_dict(table) == EXPECTED
    assert table.schema == WORD_COUNTS
    assert table["word"].to_pylist() == sorted(EXPECTED, key=lambda word: (-EXPECTED[word][0], word))


def test_two_dumps_add_up(tmp_path):
    path = tmp_path / "x.xml"
    path.write_text(dump_xml(*PAGES))
    assert as_dict(count_dumps([path, path]))["cat"] == (4, 4)


def test_parts_forms_and_workers_do_not_change_the_counts(tmp_path):
    pages = [page_xml(f"P{n}", f"word{n % 7} shared other [[File:A.jpg|thumb|caption {n % 3}x]]", n) for n in range(90)]
    multistream = tmp_path / "enwiki-20240101-pages-articles-multistream.xml.bz2"
    write_multistream(multistream, [pages[n : n + 10] for n in range(0, 90, 10)])
    plain = tmp_path / "enwiki-20240101-pages-articles.xml.bz2"
    plain.write_bytes(bz2.compress(dump_xml(*pages).encode()))
    expected = count_dumps([plain])
    for parts in (1, 2, 3, 5, 50):
        described = describe_dump(multistream, parts)
        assert len(described.parts) == min(parts, 9)
        runs = [tmp_path / f"{parts}-{part.key}.parquet" for part in described.parts]
        for part, run in zip(described.parts, runs, strict=True):
            count_part(multistream, part, run)
        assert merge_counts(runs).table.equals(expected)
        assert merge_counts(runs[::-1]).table.equals(expected)
    for path in (multistream, plain):
        assert count_dumps([path], workers=2, limits=CountLimits(min_parallel_bytes=0)).equals(expected)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_dump_cut_anywhere_raises(tmp_path, workers):
    whole = tmp_path / "enwiki-20240101-pages-articles-multistream.xml.bz2"
    offsets = write_multistream(whole, [[page_xml(f"P{n}", "some text")] for n in range(4)], index=False)
    content = whole.read_bytes()
    cuts = range(1, len(content), 97) if workers == 1 else offsets[2:3]
    for cut in [*cuts, *offsets, len(content) - 1] if workers == 1 else cuts:
        path = tmp_path / "cut.xml.bz2"
        path.write_bytes(content[:cut])
        with pytest.raises(DumpError, match="is cut|holds nothing|no XML"):
            count_dumps([path], workers=workers, limits=CountLimits(min_parallel_bytes=0))


def test_merging_nothing_gives_an_empty_table():
    assert merge_counts([]).table.equals(WORD_COUNTS.empty_table())


# ---- real files


@pytest.mark.slow
def test_both_forms_of_the_real_sample_give_the_same_counts(shared_data, tmp_path):
    plain = next(shared_data("wikipedia/gensim").glob("*shortened.bz2"))
    multistream = shared_data("wikipedia/derived_multistream/enwiki-sample-pages-articles-multistream.xml.bz2")
    expected = count_dumps([plain])
    parts = describe_dump(multistream, 3).parts
    assert len(parts) == 3
    runs = [tmp_path / part.key for part in parts]
    for part, run in zip(parts, runs, strict=True):
        count_part(multistream, part, run)
    assert merge_counts(runs).table.equals(expected)
    counts = as_dict(expected)
    assert counts["the"][0] > 30_000 and counts["autism"][0] > 100
    for furniture in ("thumb", "px", "infobox", "nbsp", "wikitable", "href"):
        assert counts.get(furniture, (0, 0))[0] < 5


@pytest.mark.slow
def test_counts_of_real_prose_agree_with_a_rough_independent_rule(shared_data):
    """Markup cut away by a few crude patterns, as frequency lists on the web do it: the frequent words must nearly agree."""
    from clip_pipeline_tests.words.scanned_prose import is_disambiguation

    path = shared_data("wikipedia/derived_multistream/enwiki-sample-pages-articles-multistream.xml.bz2")
    rough: Counter[str] = Counter()
    for page in read_pages(part_pieces(path, describe_dump(path, 1).parts[0])):
        if page.namespace == 0 and not page.redirect and not is_disambiguation(page.text):
            text = re.sub(
                r"(?s)<!--.*?-->|<ref[^<>]*/>|<ref.*?</ref>|<math.*?</math>|<gallery.*?</gallery>", " ", page.text
            )
            for _ in range(5):
                text = re.sub(r"\{\{[^{}]*\}\}", " ", text)
            text = re.sub(r"(?s)\n\{\|.*?\n\|\}", " ", text)
            text = re.sub(r"\[\[(?:[^\[\]|]*\|)?([^\[\]|]*)\]\]", r"\1", text)
            text = re.sub(r"\[\[(?:File|Image|Category):.*|https?://\S+|&nbsp;|'{2,}", " ", text)
            tokens = re.split(r"[^\w\-']", text.lower().replace("’", "'"))
            rough.update(token for token in tokens if re.fullmatch(r"[a-z](?:.*[a-z])?", token))
    counts = as_dict(count_dumps([path]))
    frequent = [word for word, number in rough.most_common(300) if len(word) > 3]
    close = [word for word in frequent if abs(counts.get(word, (0, 0))[0] - rough[word]) <= 0.1 * rough[word]]
    assert len(close) >= 0.95 * len(frequent)


@pytest.mark.parametrize("ending", ["xml", "xml.bz2", "xml.gz", "xml.xz", "xml.lzma"])
def test_every_compression_gives_the_same_page(shared_data, ending):
    folder = shared_data("wikipedia/pywikibot")
    for name in (f"article-pyrus.{ending}", "article-pyrus-utf16.xml", "article-pyrus-utf16.xml.bz2"):
        path = folder / name
        (page,) = read_pages(part_pieces(path, describe_dump(path, 4).parts[0]))
        assert (page.title, page.redirect) == ("Pyrus", True)
