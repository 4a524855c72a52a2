"""The command `adapt`."""

from __future__ import annotations

from typing import Any

import click

from clip_pipeline.cli.options import CONTEXT, output_option, replace_option, setting_option, settings_option
from clip_pipeline.machine.first_words import says


@click.command(context_settings=CONTEXT)
@click.option("--model", required=True, help="Model folder, or the name of a pretrained model.")
@click.option("--dataset", required=True, help="Labelled photos: a folder of class folders, webdataset tars, or a known dataset; NAME:SPLIT for one split.")  # fmt: skip
@setting_option("adaptation.out_of_domain", left=True)
@output_option("Folder for tables, figures and scores.")
@replace_option
@setting_option("adaptation.methods", left=True)
@setting_option("adaptation.fractions", left=True)
@setting_option("adaptation.seeds", left=True)
@settings_option
@setting_option("compute.device", left=True)
@says("Adapting {model} to {dataset}", at_once=True)
def adapt(model: str, dataset: str, output: str, **options: Any) -> None:
    """Compare ways of adapting a model to labelled photos, with growing fractions of them.

    Writes table.csv, scores.json, curve.png and more. Run it again after an interruption: only the trial that was running is lost.

    \b
    Example:
      clip-pipeline adapt --model model/ --dataset food/ --fractions 1,10,100 \\
          --methods zero_shot,linear_probe,full -o adapted/ --set adaptation.max_steps=200
    """
    from clip_pipeline.adaptation.results import table_text
    from clip_pipeline.api.adapt import adapt

    adapted = adapt(model, dataset, output, **options, progress=True)
    click.echo(table_text(adapted.table))
    if adapted.falls:
        click.echo(f"{adapted.falls} times accuracy falls with more data beyond its interval: see falls.json.")
    click.echo(f"Wrote {output}")
