"""Commands on trainings: train, launch, compare."""

from __future__ import annotations

from typing import Any

import click

from clip_pipeline.cli.options import CONTEXT, output_option, own_photos_recipe_options, replace_option, setting_option
from clip_pipeline.machine.first_words import says, shown_names


@click.command(context_settings=CONTEXT)
@click.option("--data", "photos", required=True, type=click.Path(), help="A folder of photos with a caption file, or of webdataset tars.")  # fmt: skip
@output_option("Folder for the model.")
@replace_option
@setting_option("links.captions", left=True)
@own_photos_recipe_options
@setting_option("compute.device", left=True)
@says("Reading the photos and captions of {photos}", at_once=True)
def train(photos: str, output: str, **options: Any) -> None:
    """Train a CLIP from scratch on photos with captions; writes a folder that open_clip loads."""
    from clip_pipeline.api.train import train

    facts = train(photos, output, **options, progress=True)
    if facts:  # with torchrun, only the first process reports
        click.echo(f"Trained {facts['steps']:,} steps. Wrote {output}")


@click.command(context_settings=CONTEXT)
@click.option("--data", "photos", required=True, help="As for train: a folder of photos with a caption file, or of webdataset tars.")  # fmt: skip
@output_option("Folder for the model, on a disk that all machines see.")
@setting_option("links.captions", left=True)
@click.option("--slurm/--single-node", default=False, help="An sbatch script, or one for this machine alone.")
@click.option("--nodes", default=1, show_default=True, type=click.IntRange(1), help="Machines.")
@click.option("--gpus", default=1, show_default=True, type=click.IntRange(1), help="Processes on each machine, one a GPU.")  # fmt: skip
@click.option("--cores", default=8, show_default=True, type=click.IntRange(1), help="Cores for each process.")
@click.option("--hours", default=24.0, show_default=True, type=click.FloatRange(0.1), help="Longest time asked of SLURM.")  # fmt: skip
@click.option("--partition", default="", help="SLURM's partition.")
@own_photos_recipe_options
@says("Writing the script of a training on {photos}")
def launch(photos: str, output: str, **options: Any) -> None:
    """Print a script that trains in several processes: with torchrun on one machine, or with SLURM on several.

    \b
    Examples:
      clip-pipeline launch --data photos/ -o model/ --gpus 4 > train.sh
      clip-pipeline launch --slurm --nodes 2 --gpus 8 --data shards/ -o model/ \\
          --recipe wkit24m --set training.plan=wkit_24m > train.sbatch
    """
    from clip_pipeline.api.launch import launch

    click.echo(launch(photos, output, **options), nl=False)


@click.command(context_settings=CONTEXT)
@click.argument("runs", nargs=-1, required=True, metavar="RUN...", type=click.Path())
@click.option("-o", "--output", default="comparison.png", show_default=True, type=click.Path(), help="Figure to write.")
@says(lambda runs, **_: f"Comparing the trainings {shown_names(runs)}")
def compare(runs: tuple[str, ...], output: str) -> None:
    """Draw the losses of several trainings (model folders) into one figure, and print a line for each."""
    from clip_pipeline.api.compare import compare_trainings
    from clip_pipeline.training.reports.comparison import runs_table

    click.echo(runs_table(compare_trainings(runs, output)))
    click.echo(f"Wrote {output}")
