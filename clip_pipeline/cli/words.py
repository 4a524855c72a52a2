"""The command `words`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from clip_pipeline.cli.options import CONTEXT


@click.command(context_settings=CONTEXT)
@click.argument("dumps", nargs=-1, required=True, metavar="DUMP...")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Parquet file to write (word, count, documents, capitalised, captioned), or .txt for the words alone.")  # fmt: skip
@click.option("--rules", default="plain", show_default=True, type=click.Choice(["plain", "wikipedia-word-frequency"]), help="What a word is: plain, or as in the well-known list.")  # fmt: skip
@click.option("--min-count", default=100, show_default=True, help="Words that occur at most this often are left out.")
@click.option("--min-documents", default=0, help="Words that occur in fewer articles are left out.")
@click.option("--min-length", default=1, show_default=True, help="Shortest word kept, in letters.")
@click.option("--language", default="", metavar="CODE", help="Set script and stop words for a language: en, de, fr, es, it, pt, nl, sv, ru or pl.")  # fmt: skip
@click.option("--script", default="any", show_default=True, help="Letters that words are made of: english, latin, cyrillic, ..., or any.")  # fmt: skip
@click.option("--stop-words", default="none", show_default=True, help="Leave out function words: languages such as de,fr, a file with one a line, or none.")  # fmt: skip
@click.option("--digits/--no-digits", default=True, show_default=True, help="Keep words with digits, such as mp3.")
@click.option("--proper-nouns/--no-proper-nouns", default=True, show_default=True, help="Keep words that are nearly always capitalised.")  # fmt: skip
@click.option("--order", default="frequent", show_default=True, type=click.Choice(["frequent", "captioned"]), help="What comes first: words frequent in the text, or in captions of images.")  # fmt: skip
@click.option("--max-words", default=0, help="Keep only this many of the first; 0 keeps all.")
@click.option("--workers", default=0, help="Threads, or processes for HTML; 0 is one a core.")
def words(dumps: tuple[str, ...], output: Path, language: str, workers: int, **filters: Any) -> None:
    """Count the words of Wikipedia dumps, and keep those that pass the filters.

    A DUMP is a file, a folder or a pattern in quotes: XML (.xml, .bz2, .xz, .lzma, .gz; multistream or plain), or HTML
    of Wikimedia Enterprise or the REST API (.ndjson, .jsonl, .tar.gz of them, .html). Several are counted as one.

    \b
    Examples:
      clip-pipeline words simplewiki-latest-pages-articles.xml.bz2 -o words.parquet
      clip-pipeline words dewiki.xml.bz2 -o words.txt --language de --no-digits
      clip-pipeline words "dumps/enwiki-*-multistream*.bz2" -o words.parquet --min-count 1000
      clip-pipeline words enwiki_namespace_0.tar.gz -o words.parquet --order captioned --max-words 20000
    """
    from clip_pipeline.api.count_words import count_words, language_settings
    from clip_pipeline.settings import WordsSettings

    if language:
        filters["script"], filters["stop_words"] = language_settings(language)
    settings = WordsSettings(**filters)
    kept, found, dropped = count_words(dumps, output, settings, workers)
    click.echo(f"Kept {kept:,} of {found:,} words. Wrote {output}")
    for reason, number in dropped.items():
        click.echo(f"  {reason:<20} {number:>11,}")
