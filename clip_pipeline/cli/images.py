"""The command `download`."""

from __future__ import annotations

from pathlib import Path

import click

from clip_pipeline.cli.options import CONTEXT, settings_option
from clip_pipeline.settings import Recipe, with_settings


@click.command(context_settings=CONTEXT)
@click.argument("links", type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Folder for the shards.")
@click.option(
    "--retry", is_flag=True, help="Ask again for the photos whose failure may have passed, such as a timeout."
)
@settings_option
def download(links: Path, output: Path, retry: bool, assignments: tuple[str, ...]) -> None:
    """Download the photos of a url list (Parquet, CSV, TSV, JSONL, txt) into webdataset shards.

    Photos are stored as JPEGs whose shorter side has 256 pixels; `--set download.image_size=224 --set
    download.resize=crop` and the like change that.

    Writes 00000.tar, 00000.parquet (every attempt with its status) and 00000_stats.json, 00001.tar, and so on, and
    sizes.json. Nothing that is finished is fetched twice: run the same command again after a stop and it goes on, or with
    a longer list and it adds what is new.
    """
    from clip_pipeline.pipeline.standalone import download_links

    counts = download_links(links, output, with_settings(Recipe(), assignments), retry)
    click.echo(f"{counts.get('success', 0):,} of {sum(counts.values()):,} photos are in {output}")
    for status_name, count in sorted(counts.items()):
        click.echo(f"  {status_name:<20} {count:>9,}")
