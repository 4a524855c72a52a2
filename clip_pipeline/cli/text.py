"""The command `tokenizer`."""

from __future__ import annotations

from pathlib import Path

import click

from clip_pipeline.cli.options import CONTEXT
from clip_pipeline.settings import TokenizerSettings


@click.command(context_settings=CONTEXT)
@click.argument("captions", type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Folder for the tokenizer.")
@click.option(
    "--kind", default="bpe", show_default=True, help="bpe, clip, or a Hugging Face tokenizer by name or folder."
)
@click.option(
    "--vocab-size", default=20_000, show_default=True, help="Tokens of bpe, bytes and special tokens included."
)
@click.option("--min-frequency", default=2, show_default=True, help="Pairs seen less often are not merged by bpe.")
@click.option("--context-length", default=32, show_default=True, help="Tokens a text is cut to or filled up to.")
def tokenizer(
    captions: Path, output: Path, kind: str, vocab_size: int, min_frequency: int, context_length: int
) -> None:
    """Make a tokenizer for a text file, one caption a line, and say how well it fits.

    bpe learns a byte-level BPE from the captions. clip is CLIP's own; a Hugging Face tokenizer is taken as it is, with a
    start, an end and a padding token added where it has none. All become a folder that transformers and open_clip read,
    with report.json and lengths.png, a histogram of the captions' lengths.
    """
    from clip_pipeline.pipeline.standalone import train_tokenizer_on_file
    from clip_pipeline.text.tokenizer_report import report_text

    settings = TokenizerSettings(kind=kind, vocab_size=vocab_size, min_frequency=min_frequency)
    click.echo(report_text(train_tokenizer_on_file(captions, output, settings, context_length)))
    click.echo(f"Wrote {output}")
