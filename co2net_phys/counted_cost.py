"""What a rival costs, counted by going once through its losses without any numbers.

CO2-Net has formulas for this, see `co2net_phys.cost`. The others are run on tensors that have a
shape and no values, which takes no memory and a second or so, however large they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from co2net_phys.architectures import make_network
from co2net_phys.rivals.base import Rival, RivalConfig

TIMES_FORWARD = 3
"""Arithmetic of a forward pass with its backward pass, over that of the forward pass alone."""


class Work(NamedTuple):
    """Of one window."""

    forward_flops: int
    """Operations of the matrix products of a reconstruction."""
    step_flops: int
    """The same of a training step, with all that the network's own losses take."""
    kept_bytes: int
    """What a step keeps for the backward pass in 32-bit arithmetic."""


def counted_work(config: RivalConfig, *, background: bool) -> Work:
    """Return what one window costs the network of `config`, with a first guess or without."""
    with torch.device("meta"):
        model = make_network(config, nn.Identity() if background else None)
        assert isinstance(model, Rival)
        inputs = model.example(1)
    products, kept = _Products(), _Kept(model)  # type: ignore[no-untyped-call]
    with products, torch.autograd.graph.saved_tensors_hooks(kept.note, _given_back):
        field = model.estimate(*inputs)
        forward = products.flops
        terms = model.compared(field, torch.zeros_like(field), *inputs)
        graph = (field.square().mean(), terms)  # what is kept belongs to it until it is let go
    del graph
    return Work(forward, TIMES_FORWARD * products.flops, kept.bytes)


class _Products(TorchDispatchMode):
    """Counts the operations of convolutions, matrix products and attention as they are called."""

    flops = 0

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if func.overloadpacket in flop_registry:
            counted = flop_registry[func.overloadpacket]
            self.flops += int(counted(*args, **(kwargs or {}), out_val=result))
        return result


class _Kept:
    """Size of all tensors that are kept but weights, each counted once."""

    def __init__(self, model: nn.Module) -> None:
        self.known = {weight.untyped_storage()._cdata for weight in model.parameters()}
        self.bytes = 0

    def note(self, tensor: Tensor) -> Tensor:
        """Count a tensor as it is kept, which keeps its storage from being another's."""
        storage = tensor.untyped_storage()
        if storage._cdata not in self.known:
            self.known.add(storage._cdata)
            self.bytes += storage.nbytes()
        return tensor


def _given_back(tensor: Tensor) -> Tensor:
    return tensor
