"""The command `download`."""

from __future__ import annotations

from pathlib import Path

import click

from clip_pipeline.cli.options import CONTEXT, output_option, settings_option


@click.command(context_settings=CONTEXT)
@click.argument("links", type=click.Path())
@output_option("Folder for the shards.")
@click.option(
    "--retry",
    is_flag=True,
    help="Ask at once for the photos whose failure may have passed, such as a timeout, also where it is not yet time.",
)
@settings_option
def download(links: str, output: str, retry: bool, settings: tuple[str, ...]) -> None:
    """Download the photos of a url list (Parquet, CSV, TSV, JSONL, txt) into webdataset shards.

    Photos are stored as JPEGs whose shorter side has 256 pixels; `--set download.image_size=224 --set
    download.resize=crop` and the like change that.

    Writes 00000.tar, 00000.parquet (every attempt with its status) and 00000_stats.json, 00001.tar, and so on, and
    sizes.json. Nothing that is finished is fetched twice: run the same command again after a stop and it goes on, or with
    a longer list and it adds what is new.
    """
    from clip_pipeline.api.download import download, lacking_sentence
    from clip_pipeline.text_table import text_table

    counts = download(links, output, retry=retry, settings=settings, progress=True)
    click.echo(f"{counts.get('success', 0):,} of {sum(counts.values()):,} photos are in {output}")
    if counts:
        click.echo(
            text_table([(name, f"{count:,}") for name, count in sorted(counts.items())], right=(1,), indent="  ")
        )
    if lacking := lacking_sentence(Path(output), settings):
        click.echo(lacking)
