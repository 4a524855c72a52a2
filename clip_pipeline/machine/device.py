"""Which device does the arithmetic, and with how many threads."""

from __future__ import annotations

from clip_pipeline.errors import SettingsError, nearest_name
from clip_pipeline.machine.progress import waiting

DEVICES = ("auto", "cpu", "cuda", "mps")


def choose_device(name: str) -> str:
    """`auto` is CUDA where there is one, then Apple's mps, then the CPU.

    Raises SettingsError for an unknown name, or a device that this machine lacks.
    """
    with waiting("Loading torch"):
        import torch

    if name.partition(":")[0] not in DEVICES:
        raise SettingsError(f'There is no device "{name}". {nearest_name(name, DEVICES)}')
    has_cuda, has_mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if name == "auto":
        return "cuda" if has_cuda else "mps" if has_mps else "cpu"
    if (name.startswith("cuda") and not has_cuda) or (name.startswith("mps") and not has_mps):
        raise SettingsError(f"The device {name} was asked for, and torch finds none here. Use cpu or auto.")
    return name


def use_threads(threads: int) -> None:
    """Arithmetic threads of this process; 0 leaves torch's choice, one a core."""
    import torch

    if threads:
        torch.set_num_threads(threads)
