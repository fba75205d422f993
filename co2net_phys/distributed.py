"""The processes that train together, as `torchrun` starts them; a single one is a team as well."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, distributed

from co2net_phys.errors import UsageError

Positions = NDArray[np.int64]


@dataclass(frozen=True)
class Team:
    """Processes with the same model, each with its share of every batch."""

    rank: int = 0
    """Of this process."""
    size: int = 1
    """Number of processes."""

    @property
    def leads(self) -> bool:
        """Whether this process writes files and speaks."""
        return self.rank == 0

    def share(self, positions: Positions) -> tuple[Positions, float]:
        """Windows of a batch that this process takes, and the weight of their mean loss.

        Gradients are averaged over the team with equal weights; the weights make up for unequal
        shares, so that the average is that of the whole batch. A process for which there is none
        takes the first window with weight zero, as all have to take part.
        """
        mine = positions[self.rank :: self.size]
        if len(mine) == 0:
            return positions[:1], 0.0
        return mine, len(mine) * self.size / len(positions)

    def means(self, values: dict[str, float]) -> dict[str, float]:
        """Averages over the team of each value, the same in all processes."""
        if self.size == 1:
            return dict(values)
        total = torch.tensor(list(values.values()), dtype=torch.float64, device=_device())
        distributed.all_reduce(total)
        return dict(zip(values, (total / self.size).tolist(), strict=True))

    def any(self, flag: bool) -> bool:
        """Whether `flag` is true in any process, so that all stop at the same step."""
        if self.size == 1:
            return flag
        seen = torch.tensor(int(flag), device=_device())
        distributed.all_reduce(seen, distributed.ReduceOp.MAX)
        return bool(seen)

    def gathered(self, tensor: Tensor) -> list[Tensor]:
        """The tensors of all processes, of equal shape, in order of rank."""
        if self.size == 1:
            return [tensor]
        here = tensor.to(_device())
        parts = [torch.empty_like(here) for _ in range(self.size)]
        distributed.all_gather(parts, here)
        return [part.to(tensor.device) for part in parts]

    def wait(self) -> None:
        """Return when all processes are here."""
        if self.size > 1:
            distributed.barrier()


@contextmanager
def team_of(device: torch.device) -> Iterator[Team]:
    """Join the processes that `torchrun` has started, or train alone.

    Raises
    ------
    UsageError
        More processes on a machine than it has GPUs.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield Team()
        return
    options: dict[str, Any] = {"backend": "gloo"}
    if device.type == "cuda":
        local = int(os.environ["LOCAL_RANK"])
        if local >= torch.cuda.device_count():
            raise UsageError(
                f"torchrun started more than {torch.cuda.device_count()} processes here, the "
                "number of GPUs; lower --nproc-per-node"
            )
        torch.cuda.set_device(local)
        options = {"backend": "nccl", "device_id": torch.device("cuda", local)}
    distributed.init_process_group(**options)
    try:
        yield Team(distributed.get_rank(), distributed.get_world_size())
    finally:
        distributed.destroy_process_group()


def _device() -> torch.device:
    """Where tensors must be to be sent."""
    if distributed.get_backend() == "nccl":
        return torch.device("cuda", torch.cuda.current_device())
    return torch.device("cpu")
