"""How often each word occurs in the HTML articles of a dump: the same columns as for wikitext."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa

from clip_pipeline.progress import progress
from clip_pipeline.records import WORD_COUNTS
from clip_pipeline.sources.dump_files import DumpPart
from clip_pipeline.sources.html_dumps import HtmlArticle, iter_html_articles
from clip_pipeline.words.html import html_text, is_disambiguation_html, is_redirect_html
from clip_pipeline.words.tokens import split_words

logger = logging.getLogger(__name__)

_WRITTEN_WORD = re.compile(r"\w+(?:['’-]\w+)*")


def count_html_part(path: Path, part: DumpPart) -> pa.Table:
    """The words of the articles in one part of an HTML dump, as WORD_COUNTS, the most frequent first, then by the alphabet.

    Raises DumpError as `iter_html_articles`.
    """
    with progress(f"Counting words of {part.key}", unit="article") as bar:

        def counted() -> Iterable[HtmlArticle]:
            for article in iter_html_articles(path, part):
                bar.advance()
                yield article

        table = count_html_articles(counted())
    logger.info("%s: %s articles, %s words", part.key, f"{bar.done:,}", f"{len(table):,}")
    return table


def count_html_articles(articles: Iterable[HtmlArticle]) -> pa.Table:
    """The words of articles, as WORD_COUNTS; words of galleries alone have a count of 0. Redirects, disambiguation pages and other namespaces are passed over."""
    words: Counter[str] = Counter()
    documents: Counter[str] = Counter()
    capitalised: Counter[str] = Counter()
    pictured: Counter[str] = Counter()
    for article in articles:
        if article.namespace != 0 or is_redirect_html(article.html) or is_disambiguation_html(article.html):
            continue
        prose = html_text(article.html)
        found = split_words(prose.text)
        words.update(found)
        documents.update(set(found))
        capitalised.update(_capitalised_words(prose.text))
        pictured.update(split_words(prose.captions))
    names = sorted(words.keys() | pictured.keys())
    columns = [names, *([counter[name] for name in names] for counter in (words, documents, capitalised, pictured))]
    table = pa.table(columns, schema=WORD_COUNTS)
    return table.sort_by([("count", "descending"), ("word", "ascending")]).combine_chunks()


def _capitalised_words(text: str) -> list[str]:
    """The words that are written with a capital first letter, in lower case."""
    written = _WRITTEN_WORD.findall(text.replace("_", " "))
    return split_words(" ".join(word for word in written if word[0].isupper()))
