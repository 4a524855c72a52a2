"""The commands `download` and `ledger`."""

from __future__ import annotations

from pathlib import Path

import click

from clip_pipeline.cli.options import CONTEXT, data_option, output_option, recipe_options, settings_option
from clip_pipeline.machine.first_words import says


@click.command(context_settings=CONTEXT)
@click.argument("links", type=click.Path())
@output_option("Folder for the shards.")
@click.option(
    "--retry",
    is_flag=True,
    help="Ask at once for the photos whose failure may have passed, such as a timeout, also where it is not yet time.",
)
@settings_option
@says("Downloading the photos of {links} into {output}")
def download(links: str, output: str, retry: bool, settings: tuple[str, ...]) -> None:
    """Download the photos of a url list (Parquet, CSV, TSV, JSONL, txt) into webdataset shards.

    Photos are stored as JPEGs whose shorter side has 256 pixels; `--set download.image_size=224 --set
    download.resize=crop` and the like change that.

    Writes 00000.tar, 00000.parquet (every attempt with its status) and 00000_stats.json, 00001.tar, and so on, and
    sizes.json. Nothing that is finished is fetched twice: run the same command again after a stop and it goes on, or with
    a longer list and it adds what is new.
    """
    from clip_pipeline.api.download import download, lacking_sentence
    from clip_pipeline.display.text_table import text_table

    counts = download(links, output, retry=retry, settings=settings, progress=True)
    click.echo(f"{counts.get('success', 0):,} of {sum(counts.values()):,} photos are in {output}")
    if counts:
        click.echo(
            text_table([(name, f"{count:,}") for name, count in sorted(counts.items())], right=(1,), indent="  ")
        )
    if lacking := lacking_sentence(Path(output), settings):
        click.echo(lacking)


@click.command(context_settings=CONTEXT)
@click.option("--forget", is_flag=True, help="Forget the limits and pauses that the service has told; its own count of the last hour stays.")  # fmt: skip
@recipe_options
@data_option
@says("Reading the ledger of requests in {data}")
def ledger(forget: bool, recipe: str, settings: tuple[str, ...], data: str) -> None:
    """Show how many requests to the photo search are left, or forget what the service said of it.

    A service that asks for a pause is believed for six hours at most. Where it was wrong, or the account has a higher limit
    now, --forget ends the pause. Requests of the last hour still count.
    """
    from clip_pipeline.api.status import forget_answers, request_budgets
    from clip_pipeline.display.text_table import text_table

    if forget:
        click.echo(f"Forgot what was told of {forget_answers(data, recipe, settings):,} keys.")
    rows = [
        (f"{state.limit:,}", f"{state.used:,}", f"{state.left:,}", f"{state.wait:,.0f} s")
        for state in request_budgets(data, recipe, settings)
    ]
    click.echo(
        text_table(rows, ("limit an hour", "used", "left", "wait"), right=range(4)) if rows else "No requests yet."
    )
