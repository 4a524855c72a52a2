"""The command `models`."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from clip_pipeline.cli.options import CONTEXT


@click.command(context_settings=CONTEXT)
@click.argument("names", nargs=-1, metavar="[MODEL]...")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list instead of a table.")
def models(names: tuple[str, ...], as_json: bool) -> None:
    """List the models to train: towers, picture size, parameters, cost.

    Without MODEL: all that come with the package. MODEL is one of their names, or an open_clip configuration of your own
    (a .json file). Choose one with --set training.model=MODEL. 12 × 768 means 12 layers of width 768.

    GFLOPs are those of one picture or one text, forward, a multiply and an add counted as two; a training step costs
    about three times as much. The parameters include the token table, whose size follows the tokenizer in training.
    """
    from clip_pipeline.models.registry import list_models
    from clip_pipeline.models.zoo import describe_model, zoo_table

    if as_json:
        click.echo(json.dumps([asdict(describe_model(name)) for name in names or list_models()], indent=1))
    else:
        click.echo(zoo_table(names))
