"""Scripts that start a training in several processes: by torchrun on one machine, or by SLURM on several."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from clip_pipeline.errors import SettingsError
from clip_pipeline.models.registry import load_config
from clip_pipeline.settings import Recipe
from clip_pipeline.settings.chosen_recipe import own_photos_recipe
from clip_pipeline.sources.photos.formats.tar_paths import is_tar_pattern
from clip_pipeline.training.distributed import Processes

logger = logging.getLogger(__name__)


def launch(
    photos: str,
    output: str,
    *,
    captions: str | None = None,
    recipe: str | None = None,
    settings: Sequence[str] = (),
    slurm: bool = False,
    nodes: int = 1,
    gpus: int = 1,
    cores: int = 8,
    hours: float = 24.0,
    partition: str = "",
) -> str:
    """The text of a script that trains in several processes: with torchrun on one machine, or with SLURM on several.

    photos, output, captions, recipe, settings: as for `train`, settings as --set takes them. output: on a disk that all machines see.
    slurm: an sbatch script, else one for this machine. nodes: machines. gpus: processes on each, one a GPU. cores: for each process.
    hours: the longest time asked of SLURM. partition: SLURM's. Raises ModelError for a model that is unknown here, SettingsError where the batch cannot be shared evenly, or
    several machines are asked for without SLURM.
    """
    where, chosen = Launch(nodes, gpus, cores, hours, partition), own_photos_recipe(recipe, settings)
    if not chosen.training.init_from and not Path(chosen.training.model).is_absolute():
        load_config(chosen.training.model)
    if not Path(photos).expanduser().exists() and not is_tar_pattern(Path(photos)):
        logger.warning("There is no %s on this machine: the script finds photos only where it is", photos)
    command = train_command(photos, output, captions or "", chosen.name if recipe is None else recipe, settings)
    return (slurm_script if slurm else single_node_script)(where, command, chosen)


@dataclass(frozen=True)
class Launch:
    """Where a training runs. per_node: processes on each machine, one a GPU. hours: the longest time asked of SLURM."""

    nodes: int = 1
    per_node: int = 1
    cores: int = 8
    hours: float = 24.0
    partition: str = ""


def train_command(photos: str, output: str, captions: str, recipe: str, assignments: Sequence[str]) -> list[str]:
    """The words of `clip-pipeline train` as they follow torchrun's own."""
    words = ["-m", "clip_pipeline", "train", "--data", photos, "-o", output, "--recipe", recipe]
    words += ["--captions", captions] if captions else []
    for assignment in assignments:
        words += ["--set", assignment]
    return words


def single_node_script(launch: Launch, command: Sequence[str], recipe: Recipe) -> str:
    """A bash script for one machine. Raises SettingsError where the batch cannot be shared evenly."""
    _check(launch, recipe)
    if launch.nodes != 1:
        raise SettingsError(f"--nodes is {launch.nodes}: several machines need --slurm.")
    torchrun = f"torchrun --standalone --nproc-per-node {launch.per_node}"
    return "\n".join(
        [
            "#!/usr/bin/env bash",
            f"# {_what(launch, recipe)}. Run it again after a stop: the training goes on from its saved state.",
            "set -euo pipefail",
            f"export OMP_NUM_THREADS={launch.cores}",
            f"{torchrun} \\\n    {_joined(command)}",
            "",
        ]
    )


def slurm_script(launch: Launch, command: Sequence[str], recipe: Recipe) -> str:
    """An sbatch script. Raises SettingsError where the batch cannot be shared evenly.

    SLURM puts a preempted or failed job back into its queue, and it goes on from its saved state.
    """
    _check(launch, recipe)
    minutes = round(launch.hours * 60)
    lines = [
        "#!/usr/bin/env bash",
        f"# {_what(launch, recipe)}.",
        f"#SBATCH --job-name=clip-{recipe.name}",
        f"#SBATCH --nodes={launch.nodes}",
        "#SBATCH --ntasks-per-node=1",
        f"#SBATCH --gpus-per-node={launch.per_node}",
        f"#SBATCH --cpus-per-task={launch.cores * launch.per_node}",
        f"#SBATCH --time={minutes // 60:02d}:{minutes % 60:02d}:00",
        "#SBATCH --requeue",
        "#SBATCH --open-mode=append",
        "#SBATCH --output=%x-%j.log",
        *([f"#SBATCH --partition={launch.partition}"] if launch.partition else []),
        "set -euo pipefail",
        # sed reads to the end; head stops after a line, and with pipefail its writer's SIGPIPE would end the job
        'head_node=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | sed -n 1p)',
        f"export OMP_NUM_THREADS={launch.cores}",
        "srun torchrun \\",
        f"    --nnodes {launch.nodes} --nproc-per-node {launch.per_node} \\",
        '    --rdzv-backend c10d --rdzv-endpoint "$head_node:29500" --rdzv-id "$SLURM_JOB_ID" \\',
        f"    {_joined(command)}",
        "",
    ]
    return "\n".join(lines)


def _joined(command: Sequence[str]) -> str:
    return " ".join(shlex.quote(word) for word in command)


def _what(launch: Launch, recipe: Recipe) -> str:
    processes = launch.nodes * launch.per_node
    training = recipe.training
    share = training.batch_size // processes
    model = training.model.replace("\n", " ")
    return f"Recipe {recipe.name}: {model}, batches of {training.batch_size:,} pairs, {share:,} on each of {processes} GPUs"


def _check(launch: Launch, recipe: Recipe) -> None:
    Processes(0, launch.nodes * launch.per_node).share(recipe.training.batch_size)
