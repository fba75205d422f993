"""Network and losses as one module, prepared for several processes, little memory and compilers."""

from __future__ import annotations

import functools
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule, fully_shard, register_fsdp_forward_method
from torch.nn.parallel import DistributedDataParallel
from torch.utils.checkpoint import checkpoint

from co2net_phys.batch import Batch
from co2net_phys.config import TrainingConfig
from co2net_phys.devices import autocast
from co2net_phys.distributed import Team
from co2net_phys.errors import UsageError
from co2net_phys.network import Network
from co2net_phys.objective import Objective

TOTAL = "total"
"""Name of the weighted sum among the losses."""


class Learner(nn.Module):
    """From a batch to its losses: all that learns is in here.

    Parameters
    ----------
    model
        The network.
    objective
        Its losses, which may have weights of their own to learn.
    config
        Says in which precision the network works.
    """

    def __init__(self, model: Network, objective: Objective, config: TrainingConfig) -> None:
        super().__init__()
        self.model, self.objective, self.precision = model, objective, config.precision

    def forward(self, seen: Batch, batch: Batch, hidden: Batch) -> dict[str, Tensor]:
        """Return the losses by name, with their weighted sum as `TOTAL`.

        The network sees `seen`; targets are the fields of `batch` and the observations of `hidden`.
        """
        with autocast(self.objective.area.device, self.precision):
            output = self.model(seen)
            own = self.model.own_losses(seen, output, batch)
        terms = self.objective.terms(output, batch, hidden) | own
        return {**terms, TOTAL: self.objective.total(terms)}


def spread_out(learner: Learner, config: TrainingConfig, team: Team) -> nn.Module:
    """Make the layers as frugal and fast as asked for, and share the work within the `team`.

    Returns
    -------
        What to call in place of `learner`, whose own weights learn.

    Raises
    ------
    UsageError
        A running average of weights that are spread over processes.
    """
    if config.shard and config.average is not None:
        raise UsageError("average: is of whole weights; leave it out, or set shard=false")
    layers = list(learner.model.repeated_layers())
    for layer in layers:
        if config.recompute:
            layer.forward = functools.partial(checkpoint, layer.forward, use_reentrant=False)
        if config.compile:
            layer.compile()
    if team.size == 1:
        return learner
    if not config.shard:
        return DistributedDataParallel(learner)
    for part in (*layers, learner.model, learner):  # validation calls the network by itself
        fully_shard(part)
    register_fsdp_forward_method(learner.model, "own_losses")
    return learner


def without_exchange(module: nn.Module, *, until_last: bool) -> AbstractContextManager[Any]:
    """Keep gradients to each process, for all parts of a batch but the last."""
    if isinstance(module, FSDPModule):
        module.set_requires_gradient_sync(not until_last)
        return nullcontext()
    if until_last and isinstance(module, DistributedDataParallel):
        return module.no_sync()
    return nullcontext()
