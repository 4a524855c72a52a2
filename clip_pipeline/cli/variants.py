"""Commands for the training variants: which there are, a new one, one less."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from clip_pipeline.cli.options import CONTEXT, data_option, recipe_options
from clip_pipeline.display.text_table import text_table
from clip_pipeline.machine.first_words import says

if TYPE_CHECKING:
    from clip_pipeline.pipeline.variants.defined import VariantStatus


@click.group(context_settings=CONTEXT, invoke_without_command=True)
@recipe_options
@data_option
@click.pass_context
@says(lambda data, **_: f"Reading the training variants in {data}")
def variants(context: click.Context, recipe: str, data: str, settings: tuple[str, ...]) -> None:
    """The training variants of a data folder; without a command, the list of them.

    A variant is a named set of training settings on top of the recipe's. Each is trained, embedded and scored beside the others,
    and the report compares them.

    \b
    Examples:
      clip-pipeline variants add long --set training.epochs=28 --about "Twice as long."
      clip-pipeline variants add vit_s_16_112                a model of the registry needs no settings
      clip-pipeline run --variant long                       trains and scores this one alone
    """
    if context.invoked_subcommand is not None:
        return
    from clip_pipeline.api.variants import list_variants

    rows = [
        (one.name, one.state, _changed(one), " ".join(one.about.split()))
        for one in list_variants(recipe, data, settings=settings)
    ]
    click.echo(text_table(rows, ("variant", "state", "differs from the recipe in", "about")))


def _changed(one: VariantStatus) -> str:
    if one.state in ("broken", "undefined"):
        return one.why
    changed = ", ".join(f"{name}={value}" for name, value in one.changed.items())
    return changed or ("" if one.own else "nothing that changes a byte")


@variants.command(context_settings=CONTEXT)
@click.argument("name")
@recipe_options
@click.option("--about", default="", help="A sentence about it, for people.")
@data_option
@says("Defining the training variant {name} in {data}")
def add(name: str, data: str, **options: Any) -> None:
    """Define the training variant NAME by --set training.FIELD=VALUE, written to DATA/variants/NAME.toml.

    NAME alone is enough where it is a model's, a plan's, or settings such as epochs=20+seed=1 or pooling.kind=windows.
    """
    from clip_pipeline.api.variants import add_variant

    variant = add_variant(name, options["settings"], data, about=options["about"], recipe=options["recipe"])
    click.echo(
        f"{variant.name}: {', '.join(variant.assignments)}. Train and score it: clip-pipeline run --variant {name}"
    )


@variants.command(context_settings=CONTEXT)
@click.argument("name")
@recipe_options
@data_option
@says("Looking for the training variant {name} in {data}")
def remove(name: str, data: str, recipe: str, settings: tuple[str, ...]) -> None:
    """Remove the definition of NAME. What was trained under it stays, and is named."""
    from clip_pipeline.api.variants import remove_variant

    say_removed(f"The training variant {name}", remove_variant(name, data, recipe=recipe))


def say_removed(what: str, left: list[Path]) -> None:
    """Prints what was removed, and the folders of artifacts that it leaves."""
    click.echo(f"{what} is no longer defined.")
    if left:
        click.echo(
            "These artifacts stay, and are fresh again when the same is added again; remove the folders to free the disk:"
        )
        click.echo("\n".join(f"  {folder}" for folder in left))
