"""The command `models`."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from clip_pipeline.cli.options import CONTEXT, settings_option
from clip_pipeline.machine.first_words import says, shown_names


@click.command(context_settings=CONTEXT)
@click.argument("names", nargs=-1, metavar="[MODEL]...")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list instead of a table.")
@settings_option
@says(
    lambda names, **_: (
        f"Reading the configurations of {shown_names(names)}" if names else "Reading the configurations of the models"
    )
)
def models(names: tuple[str, ...], as_json: bool, settings: tuple[str, ...]) -> None:
    """List the models to train: encoders, image size, parameters, cost.

    Without MODEL: all that come with the package. MODEL is one of their names, one of open_clip's, with or without
    weights (ViT-B-32, ViT-B-32/TAG), or a configuration of your own (a .json file, or a model folder). Choose one with --set training.model=MODEL. 12 × 768 means 12 layers of width 768.
    With --set, the model of training.model at the sizes that are set.

    GFLOPs are those of one image or one text, forward, a multiply and an add counted as two; a training step costs
    about three times as much. The parameters include the token table, whose size follows the tokenizer in training.

    \b
    Examples:
      clip-pipeline models vit_s_16_112 model/
      clip-pipeline models --set training.model=vit_s_16_112 --set training.vision_width=256 --set training.text_layers=4
    """
    from clip_pipeline.api.models import list_models
    from clip_pipeline.models.zoo import zoo_table

    facts = list_models(names, settings=settings)
    click.echo(json.dumps([asdict(fact) for fact in facts], indent=1) if as_json else zoo_table(facts))
