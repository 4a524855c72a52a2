"""The state that a killed training goes on from."""

from __future__ import annotations

import logging
import os
import pickle
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)

STATE_FILE = "training_state.pt"


def save_state(state: dict[str, Any], work_folder: Path) -> None:
    """Writes the state under a temporary name, then puts it in place: a kill leaves the old state or the new one."""
    import torch

    temporary = work_folder / f"{STATE_FILE}.tmp"
    with temporary.open("wb") as stream:
        torch.save(state, stream)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(work_folder / STATE_FILE)


def load_state(work_folder: Path, plan: str) -> dict[str, Any] | None:
    """The saved state of this very training, or None where there is none.

    plan: a hash of the settings and the data; the state of another training is of no use and is left aside. Only plain
    tensors and values are read (`weights_only`), never code.
    """
    import torch

    path = work_folder / STATE_FILE
    if not path.is_file():
        return None
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, ValueError, pickle.UnpicklingError) as error:
        logger.warning("The saved state %s cannot be read (%s); training starts from the beginning", path, error)
        return None
    if state.get("plan") != plan:
        logger.info(
            "The saved state in %s is of other settings or data; training starts from the beginning", work_folder
        )
        return None
    return state


def remove_state(work_folder: Path) -> None:
    """Removes the state once the model is written."""
    (work_folder / STATE_FILE).unlink(missing_ok=True)
