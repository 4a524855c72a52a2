"""Commands on texts: tokenizer, language."""

from __future__ import annotations

from typing import Any

import click

from clip_pipeline.cli.options import CONTEXT, output_option, replace_option, setting_option, settings_option
from clip_pipeline.machine.first_words import says


@click.command(context_settings=CONTEXT)
@click.argument("captions", type=click.Path())
@output_option("Folder for the tokenizer.")
@replace_option
@setting_option("tokenizer.kind")
@setting_option("tokenizer.vocab_size")
@setting_option("tokenizer.min_frequency")
@click.option("--context-length", default=32, show_default=True, help="Tokens a text is cut to or filled up to.")
@says("Making a tokenizer for {captions}")
def tokenizer(captions: str, output: str, **options: Any) -> None:
    """Make a tokenizer for a text file, one caption a line, and say how well it fits.

    bpe learns a byte-level BPE from the captions. clip is CLIP's own; a Hugging Face tokenizer is taken as it is, with a
    start, an end and a padding token added where it has none. All become a folder that transformers and open_clip read,
    with report.json and lengths.png, a histogram of the captions' lengths.
    """
    from clip_pipeline.api.train_tokenizer import train_tokenizer
    from clip_pipeline.text.tokenizer_report import report_text

    click.echo(report_text(train_tokenizer(captions, output, **options)))
    click.echo(f"Wrote {output}")


@click.command(context_settings=CONTEXT)
@click.argument("text", type=click.Path())
@output_option("Folder for models, tables and figures.")
@replace_option
@setting_option("language.models", left=True)
@setting_option("language.seeds", left=True)
@setting_option("language.minutes", left=True)
@settings_option
@setting_option("compute.device", left=True)
@says("Comparing language models of {text}", at_once=True)
def language(text: str, output: str, **options: Any) -> None:
    """Train language models of characters, pooled in several ways, and compare their bits per character.

    TEXT is a Wikipedia dump (XML, packed or not), or a file of a to z and spaces, as text8 is.

    Beside them stand tables of counts and compressors, which learn nothing. Writes scores.parquet, table.csv, bits.png and more. Run it again
    after an interruption: it goes on where it was.

    \b
    Example:
      clip-pipeline language simplewiki.xml.bz2 -o language/ \\
          --models none,none@3,whitespace,router@4 --set language.steps=3000
    """
    from clip_pipeline.api.compare import compare_language_models
    from clip_pipeline.language.comparison import table_text
    from clip_pipeline.language.rivals import pairs_text, rival_sentence

    compared = compare_language_models(text, output, **options, progress=True)
    click.echo(table_text(compared.rows))
    click.echo(compared.in_short)
    if beside := rival_sentence(compared.pairs):
        click.echo(f"\n{pairs_text(compared.pairs)}\n{beside}")
    click.echo(f"Wrote {output}")
