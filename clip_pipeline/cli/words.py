"""The command `words`."""

from __future__ import annotations

from typing import Any

import click

from clip_pipeline.cli.options import CONTEXT, output_option, setting_option
from clip_pipeline.machine.first_words import says, shown_names


@click.command(context_settings=CONTEXT)
@click.argument("dumps", nargs=-1, required=True, metavar="DUMP...")
@output_option("Parquet file to write (word, count, documents, capitalised, captioned), or .txt for the words alone.")
@setting_option("words.rules")
@setting_option("words.possessives", default=True)
@setting_option("words.segmentation")
@setting_option("words.min_count")
@setting_option("words.min_documents")
@setting_option("words.min_length", default=1)
@click.option("--language", default="", metavar="CODE", help="Set script and stop words for a language, and possessives for English: en, de, fr, es, it, pt, nl, sv, ru or pl.")  # fmt: skip
@setting_option("words.script", default="any")
@setting_option("words.stop_words", default="none")
@setting_option("words.digits", default=True)
@setting_option("words.proper_nouns")
@setting_option("words.order")
@setting_option("words.max_words")
@setting_option("compute.workers")
@says(lambda dumps, **_: f"Counting the words of {shown_names(dumps)}")
def words(dumps: tuple[str, ...], output: str, **options: Any) -> None:
    """Count the words of Wikipedia dumps, and keep those that pass the filters.

    A DUMP is a file, a folder or a pattern in quotes: XML (.xml, .bz2, .xz, .lzma, .gz; multistream or plain), or HTML
    of Wikimedia Enterprise or the REST API (.ndjson, .jsonl, .tar.gz of them, .html). Several are counted as one. A dump may
    be of any language, so that only what you ask for is left out; recipes are for English.

    \b
    Examples:
      clip-pipeline words simplewiki-latest-pages-articles.xml.bz2 -o words.parquet
      clip-pipeline words dewiki.xml.bz2 -o words.txt --language de --no-digits
      clip-pipeline words "dumps/enwiki-*-multistream*.bz2" -o words.parquet --min-count 1000
      clip-pipeline words enwiki_namespace_0.tar.gz -o words.parquet --order captioned --max-words 20000
    """
    from clip_pipeline.api.count_words import count_words, option_of
    from clip_pipeline.display.text_table import text_table

    counted = count_words(dumps, output, **options, progress=True)
    click.echo(f"Kept {len(counted.table):,} of {counted.found:,} words. Wrote {output}")
    if counted.possessives:
        click.echo(f"  {counted.possessives:,} possessives counted for their words (--possessives keeps them)")
    rows = [
        (reason, f"{count:,}", option_of(setting), example)
        for reason, count, setting, example in counted.left_out.by_settings()
    ]
    if rows:
        click.echo(text_table(rows, ("left out", "number", "option", "such as"), right=(1,), indent="  "))
