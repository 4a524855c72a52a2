"""Commands on the generated world: sandbox serve."""

from __future__ import annotations

import click

from clip_pipeline.cli.options import CONTEXT, recipe_options
from clip_pipeline.machine.first_words import says


@click.group(context_settings=CONTEXT)
def sandbox() -> None:
    """The generated world: a Wikipedia dump, a photo search and a photo host on loopback."""


@sandbox.command(context_settings=CONTEXT)
@recipe_options
@click.option(
    "--port",
    default=8765,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="Port on 127.0.0.1; 0 takes a free one.",
)
@says("Making the sandbox world")
def serve(recipe: str, settings: tuple[str, ...], port: int) -> None:
    """Serve the sandbox world until Ctrl-C, to tinker with."""
    from clip_pipeline.sandbox.server import serve as serve_world
    from clip_pipeline.settings.chosen_recipe import recipe_of

    serve_world(recipe_of(recipe, settings).sandbox, port)
