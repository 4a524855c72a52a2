"""The states that a killed training goes on from, and its best weights so far.

checkpoints/step_000001234/   weights.safetensors, state.pt (optimizer, scaler, counters), sums.json (their sha256)
best.safetensors              the weights of the lowest validation loss, and the sha256 of that
"""

from __future__ import annotations

import hashlib
import logging
import pickle
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clip_pipeline.errors import TrainingError
from clip_pipeline.storage.checked_json import why_changed, write_sums
from clip_pipeline.storage.disk import sync_path, sync_tree
from clip_pipeline.storage.disk_faults import disk_errors

if TYPE_CHECKING:
    import torch

logger = logging.getLogger(__name__)

FOLDER, WEIGHTS, STATE, SUMS, BEST = "checkpoints", "weights.safetensors", "state.pt", "sums.json", "best.safetensors"
DIGEST_BYTES = hashlib.sha256().digest_size


@dataclass(frozen=True)
class Saving:
    """What is kept of a training while it runs.

    seconds: between two saved states; steps: likewise, besides the time, 0 for none. keep: states that are kept, the latest ones. best:
    whether the weights of the lowest validation loss become the model, instead of the last. tensorboard: whether the log is
    written for it too.
    """

    seconds: float = 30.0
    steps: int = 0
    keep: int = 1
    best: bool = False
    tensorboard: bool = False

    def is_due(self, step: int, seconds: float) -> bool:
        """Whether a state is to be saved after `step` steps, `seconds` after the one before."""
        return seconds >= self.seconds or bool(self.steps and step % self.steps == 0)


def save_state(state: dict[str, Any], weights: dict[str, torch.Tensor], work_folder: Path, keep: int = 1) -> None:
    """Writes a state beside the older ones, then removes all but the latest `keep`.

    A kill or a full disk leaves the older ones as they were: the new one gets its name when it is whole and on the disk.
    Those of later steps, of another training or unreadable, go too: they would be loaded in its place.
    state: with its `step`. Raises DiskError when the disk is full.
    """
    import torch

    folder = work_folder / FOLDER
    target = folder / f"step_{state['step']:09d}"
    staging = folder / f".{target.name}.tmp"
    with disk_errors(work_folder):
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir(parents=True)
        try:
            (staging / WEIGHTS).write_bytes(_safetensors(weights))
            with (staging / STATE).open("wb") as stream:
                torch.save(state, stream)
            write_sums(staging, staging / SUMS)
            sync_tree(staging)
            shutil.rmtree(target, ignore_errors=True)
            staging.rename(target)
        except BaseException:
            shutil.rmtree(staging, ignore_errors=True)
            raise
        sync_path(folder)
    saved = _saved(work_folder)
    reached = saved.index(target) + 1
    for other in saved[: max(0, reached - keep)] + saved[reached:]:
        shutil.rmtree(other)


def load_state(work_folder: Path, plan: str) -> tuple[dict[str, Any], dict[str, torch.Tensor]] | None:
    """The latest whole state of this very training and its weights, or None where there is none.

    plan: a hash of the settings and the data; the state of another training is of no use and is left aside. Only plain
    tensors and values are read (`weights_only`), never code.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    for folder in reversed(_saved(work_folder)):
        try:
            if (folder / SUMS).exists() and (
                why := why_changed(folder, folder / SUMS)
            ):  # versions before 0.2 wrote none
                raise ValueError(why)
            state = torch.load(folder / STATE, map_location="cpu", weights_only=True)
            weights = load_file(folder / WEIGHTS)
        except (RuntimeError, EOFError, ValueError, OSError, pickle.UnpicklingError, SafetensorError) as error:
            logger.warning("The saved state %s cannot be read (%s) and is passed over", folder, error)
            continue
        if state.get("plan") == plan:
            return state, weights
        logger.info("The saved state %s is of other settings or data and is left aside", folder)
    return None


def save_best(weights: dict[str, torch.Tensor], work_folder: Path) -> None:
    """Puts the best weights so far in the place of the ones before."""
    temporary = work_folder / f".{BEST}.tmp"
    with disk_errors(work_folder):
        try:
            content = _safetensors(weights)
            temporary.write_bytes(content + hashlib.sha256(content).digest())
            sync_path(temporary)
            temporary.replace(work_folder / BEST)
        finally:
            temporary.unlink(missing_ok=True)


def load_best(work_folder: Path) -> dict[str, torch.Tensor]:
    """The weights of `save_best`. Raises TrainingError where they were changed since."""
    from safetensors.torch import load

    content = (work_folder / BEST).read_bytes()
    weights = content[:-DIGEST_BYTES]
    if hashlib.sha256(weights).digest() != content[-DIGEST_BYTES:]:
        raise TrainingError(
            f"The best weights of the training, {work_folder / BEST}, are not what was written: their checksum does not match. Remove "
            f"{work_folder} and train again."
        )
    return load(weights)


def remove_states(work_folder: Path) -> None:
    """Removes all of it once the model is written."""
    shutil.rmtree(work_folder / FOLDER, ignore_errors=True)
    (work_folder / BEST).unlink(missing_ok=True)


def _saved(work_folder: Path) -> list[Path]:
    return sorted((work_folder / FOLDER).glob("step_*"))


def _safetensors(weights: dict[str, torch.Tensor]) -> bytes:
    """The file's bytes, put together here: the library's own writer reports a full disk in words of its own."""
    from safetensors.torch import save

    return save({name: tensor.detach().cpu().contiguous() for name, tensor in sorted(weights.items())})
