"""Commands on trainings: train, launch, compare."""

from __future__ import annotations

from pathlib import Path

import click

from clip_pipeline.cli.options import CONTEXT, chosen_recipe, device_option, recipe_options, with_device


@click.command(context_settings=CONTEXT)
@click.option("--data", "photos", required=True, type=click.Path(path_type=Path), help="A folder of photos with a caption file, or of webdataset tars.")  # fmt: skip
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Folder for the model.")
@click.option("--captions", default="", help="Caption file, when it is not in the folder of the photos.")
@recipe_options
@device_option
def train(
    photos: Path, output: Path, captions: str, recipe_name: str, assignments: tuple[str, ...], device: str
) -> None:
    """Train a CLIP from scratch on photos with captions; writes a folder that open_clip loads."""
    from clip_pipeline.pipeline.standalone import train_on_folder

    recipe = with_device(chosen_recipe(recipe_name, assignments), device)
    facts = train_on_folder(photos, captions, output, recipe)
    if facts:  # with torchrun, only the first process reports
        click.echo(f"Trained {facts['steps']:,} steps. Wrote {output}")


@click.command(context_settings=CONTEXT)
@click.option("--data", "photos", required=True, help="As for train: a folder of photos with a caption file, or of webdataset tars.")  # fmt: skip
@click.option("-o", "--output", required=True, help="Folder for the model, on a disk that all machines see.")
@click.option("--captions", default="", help="Caption file, when it is not in the folder of the photos.")
@click.option("--slurm/--single-node", default=False, help="An sbatch script, or one for this machine alone.")
@click.option("--nodes", default=1, show_default=True, type=click.IntRange(1), help="Machines.")
@click.option("--gpus", default=1, show_default=True, type=click.IntRange(1), help="Processes on each machine, one a GPU.")  # fmt: skip
@click.option("--cores", default=8, show_default=True, type=click.IntRange(1), help="Cores for each process.")
@click.option("--hours", default=24.0, show_default=True, type=click.FloatRange(0.1), help="Longest time asked of SLURM.")  # fmt: skip
@click.option("--partition", default="", help="SLURM's partition.")
@recipe_options
def launch(
    photos: str,
    output: str,
    captions: str,
    slurm: bool,
    nodes: int,
    gpus: int,
    cores: int,
    hours: float,
    partition: str,
    recipe_name: str,
    assignments: tuple[str, ...],
) -> None:
    """Print a script that trains in several processes: with torchrun on one machine, or with SLURM on several.

    \b
    Examples:
      clip-pipeline launch --data photos/ -o model/ --gpus 4 > train.sh
      clip-pipeline launch --slurm --nodes 2 --gpus 8 --data shards/ -o model/ \\
          --recipe wkit24m --set training.plan=wkit_24m > train.sbatch
    """
    from clip_pipeline.api.launch import Launch, single_node_script, slurm_script, train_command

    recipe = chosen_recipe(recipe_name, assignments)
    where = Launch(nodes, gpus, cores, hours, partition)
    command = train_command(photos, output, captions, recipe_name, assignments)
    click.echo((slurm_script if slurm else single_node_script)(where, command, recipe), nl=False)


@click.command(context_settings=CONTEXT)
@click.argument("runs", nargs=-1, required=True, metavar="RUN...", type=click.Path(path_type=Path))
@click.option("-o", "--output", default="comparison.png", show_default=True, type=click.Path(path_type=Path), help="Image to write.")  # fmt: skip
def compare(runs: tuple[Path, ...], output: Path) -> None:
    """Draw the losses of several trainings (model folders) into one image, and print a line for each."""
    from clip_pipeline.storage.published import published_file
    from clip_pipeline.training.reports.comparison import plot_runs, read_runs, runs_table

    found = read_runs(runs)
    with published_file(output) as path:
        plot_runs(found, path)
    click.echo(runs_table(found))
    click.echo(f"Wrote {output}")
