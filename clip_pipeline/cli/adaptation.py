"""The command `adapt`."""

from __future__ import annotations

from pathlib import Path

import click

from clip_pipeline.cli.options import CONTEXT, device_option, settings_option, with_device
from clip_pipeline.settings import Recipe, with_settings


@click.command(context_settings=CONTEXT)
@click.option("--model", required=True, help="Model folder, or the name of a pretrained model.")
@click.option("--dataset", required=True, help="Labelled photos: a folder of class folders, webdataset tars, or a known dataset; NAME:SPLIT for one split.")  # fmt: skip
@click.option("--out-of-domain", default="", help="Other labelled photos, on which zero-shot is scored after adapting.")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Folder for tables, images and scores.")  # fmt: skip
@click.option("--methods", default="", help="Ways of adapting, with commas between; all by default.")
@click.option("--fractions", default="", help="Percents of the training photos, with commas between; 1,10,20 ... 100 by default.")  # fmt: skip
@click.option("--seeds", default=0, help="Repetitions of each trial; three by default.")
@settings_option
@device_option
def adapt(
    model: str,
    dataset: str,
    out_of_domain: str,
    output: Path,
    methods: str,
    fractions: str,
    seeds: int,
    assignments: tuple[str, ...],
    device: str,
) -> None:
    """Compare ways of adapting a model to labelled photos, with growing fractions of them.

    Writes table.csv, scores.json, curve.png and more. Run it again after an interruption: only the trial that was running is lost.

    \b
    Example:
      clip-pipeline adapt --model model/ --dataset food/ --fractions 1,10,100 \\
          --methods zero_shot,linear_probe,full -o adapted/ --set adaptation.max_steps=200
    """
    from clip_pipeline.adaptation.results import read_table, table_text
    from clip_pipeline.api.adapt import adapt_to

    chosen = {"dataset": dataset, "out_of_domain": out_of_domain, "methods": methods, "fractions": fractions}
    given = [f"adaptation.{name}={value}" for name, value in (chosen | {"seeds": seeds or ""}).items() if value]
    recipe = with_device(with_settings(Recipe(), (*given, *assignments)), device)
    facts = adapt_to(model, recipe.adaptation, recipe.evaluation, recipe.compute, output)
    click.echo(table_text(read_table(output)))
    if facts["falls"]:
        click.echo(f"{facts['falls']} times accuracy falls with more data beyond its interval: see falls.json.")
    click.echo(f"Wrote {output}")
