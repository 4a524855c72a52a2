"""Commands on the whole pipeline: run, status, plan, verify, takedown."""

from __future__ import annotations

import json
from typing import Any

import click

from clip_pipeline.cli.ids import TakesIds
from clip_pipeline.cli.options import CONTEXT, data_option, recipe_options, variants_option
from clip_pipeline.machine.first_words import says, shown_names


@click.command(context_settings=CONTEXT)
@recipe_options
@data_option
@variants_option
@click.option("--select", default="", metavar="ASSETS", help="Only these, separated by commas; +name adds all before it, name+ all after it. A stage stands for its assets.")  # fmt: skip
@click.option("--partition", default="", metavar="KEY", help="Only this partition of the selected assets.")
@click.option("--force", is_flag=True, help="Build the selected assets again although they are fresh.")
@click.option("--checks/--no-checks", default=True, help="Look at what was built; a blocking check that fails stops what comes after it.")  # fmt: skip
@click.option("--history/--no-history", default=True, help="Tell Dagster's history, where there is one, what was made.")
@says("Looking at what is fresh in {data}")
def run(recipe: str, data: str, history: bool, **options: Any) -> None:
    """Materialise the pipeline: build what is missing or stale, reuse the rest.

    \b
    Examples:
      clip-pipeline run                                     the sandbox world, end to end
      clip-pipeline run --select vocabulary                 one asset
      clip-pipeline run --select +image_text_pairs          everything up to the pairs
      clip-pipeline run --recipe laptop --set wikipedia.dump=enwiki.xml.bz2 \\
          --set links.source=folder --set links.path=photos/ your own dump and photos
    """
    from clip_pipeline.api.run import run
    from clip_pipeline.cli.run_output import RunOutput
    from clip_pipeline.defs.mirror.command_history import no_history, report_run

    output = RunOutput(recipe, data, report_run if history else no_history)
    run(
        recipe, data, **options, on_start=output.start, on_partition=output.partition, on_done=output.done,
        report=output.report, progress=True,
    )  # fmt: skip


@click.command(context_settings=CONTEXT)
@recipe_options
@data_option
@variants_option
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list instead of a table.")
@says("Looking at what is fresh in {data}")
def status(recipe: str, data: str, settings: tuple[str, ...], variants: tuple[str, ...], as_json: bool) -> None:
    """Show what exists, whether it is fresh or stale and why, and its size."""
    from clip_pipeline.api.status import status
    from clip_pipeline.cli.run_output import status_table

    statuses = status(recipe, data, settings=settings, variants=variants)
    if as_json:
        click.echo(json.dumps([status.as_json() for status in statuses], indent=1))
    else:
        click.echo(status_table(statuses))


@click.command(context_settings=CONTEXT)
@recipe_options
@data_option
@says("Reading the vocabulary in {data}")
def plan(recipe: str, data: str, settings: tuple[str, ...]) -> None:
    """Show what the photo search of the vocabulary will cost: requests, budget, time. Sends nothing."""
    from clip_pipeline.api.plan import plan
    from clip_pipeline.display.text_table import text_table

    click.echo(text_table(plan(recipe, data, settings=settings)))


@click.command(context_settings=CONTEXT)
@click.option("--deep", is_flag=True, help="Read all bytes, not only sizes and times.")
@click.option("--sample", type=float, default=0.0, metavar="PERCENT", help="Read this share of the bytes, of files drawn by chance.")  # fmt: skip
@click.option("--seed", type=int, default=None, metavar="NUMBER", help="Draw the sample that was drawn with this number. [default: another each time, which is said]")  # fmt: skip
@click.option("--select", default="", metavar="ASSETS", help="Only these, named as for run.")
@click.option("--partition", default="", metavar="KEY", help="Only this partition of them.")
@click.option("--repair", is_flag=True, help="Set aside what is damaged, so that the next run builds it anew.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@recipe_options
@data_option
@says("Comparing the files in {data} with their manifests")
def verify(recipe: str, settings: tuple[str, ...], data: str, as_json: bool, **options: Any) -> None:
    """Find damage: compare every file with its manifest, and name what does not belong there.

    Without --deep it looks at what is there, at sizes, times and the manifests' own checksums, which is quick; bits that changed on
    the disk are found by --deep and --sample alone. Changes nothing without --repair, and may run beside a run. Ends with status 1
    where something is damaged. --recipe and --set are those of your runs: the command that mends is printed with them.

    \b
    Examples:
      clip-pipeline verify                          sizes, times, manifests: seconds
      clip-pipeline verify --deep                   every byte
      clip-pipeline verify --sample 5               5 % of the bytes, each time others
      clip-pipeline verify --deep --repair; clip-pipeline run
    """
    from clip_pipeline.api.status import verify
    from clip_pipeline.cli.verify_output import mending_options, say_verification

    found = verify(data, **options, progress=True)
    if as_json:
        click.echo(json.dumps(found.as_json(), indent=1))
    else:
        say_verification(found, mending_options(recipe, settings, data))
    if found.damaged:
        raise click.exceptions.Exit(1)


@click.command(cls=TakesIds, context_settings=CONTEXT)
@click.argument("names", nargs=-1, metavar="[ID|URL|SHA256]...")
@click.option("--reason", default="", help="Why, and who asked: kept with the record.")
@click.option("--list", "only_list", is_flag=True, help="Show what was taken down so far, and change nothing.")
@click.option("--shards", default=None, type=click.Path(), help="A folder that the download command wrote, instead of the data folder.")  # fmt: skip
@recipe_options
@data_option
@says(lambda names, shards, data, **_: f"Looking for {shown_names(names) or 'what was taken down'} in {shards or data}")
def takedown(names: tuple[str, ...], only_list: bool, shards: str | None, data: str, **options: Any) -> None:
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
    from clip_pipeline.api.take_down import take_down
    from clip_pipeline.cli.run_output import say_done, say_takedowns, say_taken_down

    if only_list:
        say_takedowns(shards or data)
    elif not names:
        raise click.UsageError("Name what to take down: an id, a url or a sha256.")
    else:
        say_taken_down(take_down(names, data, shards=shards, **options, on_done=say_done))
