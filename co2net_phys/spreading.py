"""A learner prepared for several processes, little memory and compilers."""

from __future__ import annotations

import functools
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from torch import nn
from torch.distributed.fsdp import FSDPModule, fully_shard, register_fsdp_forward_method
from torch.nn.parallel import DistributedDataParallel
from torch.utils.checkpoint import checkpoint

from co2net_phys.distributed import Team
from co2net_phys.errors import UsageError
from co2net_phys.run_options import RunOptions
from co2net_phys.task import Learner


def spread_out(learner: Learner, config: RunOptions, team: Team) -> nn.Module:
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
    for method in learner.model.other_forwards:
        register_fsdp_forward_method(learner.model, method)
    return learner


def without_exchange(module: nn.Module, *, until_last: bool) -> AbstractContextManager[Any]:
    """Keep gradients to each process, for all parts of a batch but the last."""
    if isinstance(module, FSDPModule):
        module.set_requires_gradient_sync(not until_last)
        return nullcontext()
    if until_last and isinstance(module, DistributedDataParallel):
        return module.no_sync()
    return nullcontext()
