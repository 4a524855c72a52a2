"""Training in several processes that torchrun starts: who this one is, and what they tell each other.

Each process computes the features of its share of the batch; all of them see all features, so the loss is that of the whole
batch, and the gradients of the encoders' weights are added up. One process is the plain case, and sends nothing.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from clip_pipeline.errors import SettingsError
from clip_pipeline.models.registry import ClipModel

if TYPE_CHECKING:
    import torch

OF_THE_LOSS = ("logit_scale", "logit_bias")
"""Parameters whose gradient every process computes for the whole batch."""


@dataclass(frozen=True)
class Processes:
    """This process's number (from 0) among how many. The first one reads, writes and reports."""

    rank: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes."""
        return self.rank == 0

    @property
    def on_this_machine(self) -> int:
        """How many of them share the cores."""
        return int(os.environ.get("LOCAL_WORLD_SIZE", "1")) if self.count > 1 else 1

    @contextlib.contextmanager
    def first_goes_ahead(self) -> Iterator[None]:
        """The first process does what is inside, then the others do."""
        if not self.first:
            self.wait()
        yield
        if self.first:
            self.wait()

    def wait(self) -> None:
        """Returns when all processes have come here."""
        if self.count > 1:
            import torch.distributed

            torch.distributed.barrier()

    def share(self, batch_size: int) -> slice:
        """The rows of a batch that are this process's. Raises SettingsError where they cannot be shared out evenly."""
        if batch_size % self.count:
            raise SettingsError(
                f"training.batch_size is {batch_size}, which {self.count} processes cannot share evenly. Set it to "
                f"{max(1, batch_size // self.count) * self.count}."
            )
        size = batch_size // self.count
        return slice(self.rank * size, (self.rank + 1) * size)

    def gathered(self, mine: torch.Tensor) -> torch.Tensor:
        """The rows of all processes, in their order, without a graph."""
        if self.count == 1:
            return mine.detach()
        import torch

        parts = [torch.empty_like(mine) for _ in range(self.count)]
        torch.distributed.all_gather(parts, mine.contiguous())
        return torch.cat(parts)

    def own_rows(self, rows: torch.Tensor) -> torch.Tensor:
        """This process's share of gathered rows."""
        size = len(rows) // self.count
        return rows[self.rank * size : (self.rank + 1) * size]

    def add_up_encoder_gradients(self, model: ClipModel) -> None:
        """Makes each encoder gradient the sum over the processes; those of the loss are whole already."""
        if self.count == 1:
            return
        import torch

        encoders = [p for name, p in model.named_parameters() if name not in OF_THE_LOSS and p.grad is not None]
        flat = torch.cat([p.grad.reshape(-1) for p in encoders])
        torch.distributed.all_reduce(flat)
        for parameter, total in zip(encoders, flat.split([p.numel() for p in encoders]), strict=True):
            parameter.grad.copy_(total.view_as(parameter.grad))


ONE_PROCESS = Processes()


@contextlib.contextmanager
def joined_processes() -> Iterator[Processes]:
    """Joins the processes that torchrun started (RANK and WORLD_SIZE say so); alone where there are none."""
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        yield ONE_PROCESS
        return
    import torch

    cuda = torch.cuda.is_available()
    if cuda:
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    # the others wait while the first one decodes the images
    torch.distributed.init_process_group("nccl" if cuda else "gloo", timeout=timedelta(hours=24))
    try:
        yield Processes(torch.distributed.get_rank(), count)
    finally:
        torch.distributed.destroy_process_group()
