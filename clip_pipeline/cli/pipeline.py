"""Commands on the whole pipeline: run, status, plan, takedown."""

from __future__ import annotations

import json
from pathlib import Path

import click

from clip_pipeline.cli.options import CONTEXT, chosen_recipe, data_option, recipe_options


@click.command(context_settings=CONTEXT)
@recipe_options
@data_option
@click.option("--select", default="", metavar="ASSETS", help="Only these, separated by commas; +name adds all before it, name+ all after it. A stage stands for its assets.")  # fmt: skip
@click.option("--partition", default="", metavar="KEY", help="Only this partition of the selected assets.")
@click.option("--force", is_flag=True, help="Build the selected assets again although they are fresh.")
@click.option("--history/--no-history", default=True, help="Tell Dagster's history, where there is one, what was made.")
def run(
    recipe_name: str,
    assignments: tuple[str, ...],
    data_folder: str,
    select: str,
    partition: str,
    force: bool,
    history: bool,
) -> None:
    """Materialise the pipeline: build what is missing or stale, reuse the rest.

    \b
    Examples:
      clip-pipeline run                                     the sandbox world, end to end
      clip-pipeline run --select vocabulary                 one asset
      clip-pipeline run --select +image_text_pairs          everything up to the pairs
      clip-pipeline run --recipe laptop --set wikipedia.dump=enwiki.xml.bz2 \\
          --set links.source=folder --set links.path=photos/ your own dump and photos
    """
    from clip_pipeline.cli.run_output import run_command
    from clip_pipeline.defs.history import no_history, report_run

    recipe = chosen_recipe(recipe_name, assignments)
    run_command(recipe, data_folder, select, partition, force, report_run if history else no_history)


@click.command(context_settings=CONTEXT)
@recipe_options
@data_option
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list instead of a table.")
def status(recipe_name: str, assignments: tuple[str, ...], data_folder: str, as_json: bool) -> None:
    """Show what exists, whether it is fresh or stale and why, and its size."""
    from clip_pipeline.cli.run_output import status_table
    from clip_pipeline.pipeline.graph import STEPS
    from clip_pipeline.pipeline.status import pipeline_status
    from clip_pipeline.pipeline.workspace import Workspace

    with Workspace(data_folder, chosen_recipe(recipe_name, assignments)) as workspace:
        statuses = pipeline_status(workspace, list(STEPS.values()))
    if as_json:
        click.echo(json.dumps([status.as_json() for status in statuses], indent=1))
    else:
        click.echo(status_table(statuses))


@click.command(context_settings=CONTEXT)
@recipe_options
@data_option
def plan(recipe_name: str, assignments: tuple[str, ...], data_folder: str) -> None:
    """Show what the photo search of the vocabulary will cost: requests, budget, time. Sends nothing."""
    from clip_pipeline.cli.run_output import plan_table
    from clip_pipeline.pipeline.workspace import Workspace

    with Workspace(data_folder, chosen_recipe(recipe_name, assignments)) as workspace:
        click.echo(plan_table(workspace))


@click.command(context_settings=CONTEXT)
@click.argument("names", nargs=-1, metavar="[ID|URL|SHA256]...")
@click.option("--reason", default="", help="Why, and who asked: kept with the record.")
@click.option("--list", "only_list", is_flag=True, help="Show what was taken down so far, and change nothing.")
@click.option("--shards", "shards_folder", default=None, type=click.Path(path_type=Path), help="A folder that the download command wrote, instead of the data folder.")  # fmt: skip
@recipe_options
@data_option
def takedown(
    names: tuple[str, ...],
    reason: str,
    only_list: bool,
    shards_folder: Path | None,
    recipe_name: str,
    assignments: tuple[str, ...],
    data_folder: str,
) -> None:
    """Remove photos everywhere, for good: shards, pairs, embeddings, scores, report.

    A photo is named by its id, its url, or the sha256 of the file as it was downloaded; others with the same bytes go with
    it. Only the shards that held it are written again, nothing is downloaded, and the record in takedowns.jsonl
    keeps it from coming back. Give the same --recipe and --set as for the run.

    \b
    Examples:
      clip-pipeline takedown LF8gK8-HGSg --reason "asked by the photographer, 3 May"
      clip-pipeline takedown https://example.org/a.jpg --shards shards/
      clip-pipeline takedown --list
    """
    from clip_pipeline.cli.run_output import say_takedowns, say_taken_down, takedown_command
    from clip_pipeline.pipeline.standalone import take_down_from_shards

    if only_list:
        say_takedowns(shards_folder or Path(data_folder))
    elif not names:
        raise click.UsageError("Name what to take down: an id, a url or a sha256.")
    elif shards_folder is not None:
        say_taken_down(take_down_from_shards(shards_folder, names, reason))
    else:
        takedown_command(chosen_recipe(recipe_name, assignments), data_folder, names, reason)
