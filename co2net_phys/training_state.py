"""What a run needs to go on as if it had never stopped, beside the weights: named tensors.

Moments are named after their weights and whole, however many processes they were spread over.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)

from co2net_phys.distributed import Team
from co2net_phys.errors import DataError, UsageError

WHOLE = StateDictOptions(full_state_dict=True)
MODEL, OBJECTIVE, OPTIMISER, RANDOM = "model.", "objective.", "optimiser.", "random"


def weights_of(module: nn.Module) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Weights of the network, and those of the losses; called by all processes."""
    state: Any = get_model_state_dict(module, options=WHOLE)
    model, objective = (
        {name.removeprefix(part): value for name, value in state.items() if name.startswith(part)}
        for part in (MODEL, OBJECTIVE)
    )
    return model, objective


def state_tensors(
    module: nn.Module, optimiser: torch.optim.Optimizer, team: Team
) -> dict[str, Tensor]:
    """Moments of the optimiser, weights of the losses, and the random states of all processes."""
    moments: Any = get_optimizer_state_dict(module, optimiser, options=WHOLE)["state"]
    tensors = {
        f"{OPTIMISER}{weight}/{name}": torch.as_tensor(value)
        for weight, values in moments.items()
        for name, value in values.items()
    }
    tensors |= {f"{OBJECTIVE}{name}": value for name, value in weights_of(module)[1].items()}
    for name, state in _random_states().items():
        for rank, part in enumerate(team.gathered(state)):
            tensors[f"{RANDOM}.{name}.{rank}"] = part
    return tensors


def restore_state(
    module: nn.Module,
    optimiser: torch.optim.Optimizer,
    team: Team,
    weights: Mapping[str, Tensor],
    tensors: Mapping[str, Tensor],
) -> None:
    """Put back what `weights_of` and `state_tensors` returned.

    Raises
    ------
    UsageError
        The run had another number of processes.
    DataError
        The weights of the losses are of another kind.
    """
    saved = sum(name.startswith(f"{RANDOM}.cpu.") for name in tensors)
    if saved != team.size:
        raise UsageError(
            f"the run was started with {saved} processes, not {team.size}; use {saved}"
        )
    losses = {f"{OBJECTIVE}{name}" for name in weights_of(module)[1]}
    if losses != {name for name in tensors if name.startswith(OBJECTIVE)}:
        raise DataError("the state has other weights of losses than these options; train again")
    model: dict[str, Any] = {f"{MODEL}{name}": value for name, value in weights.items()}
    model |= {name: value for name, value in tensors.items() if name.startswith(OBJECTIVE)}
    set_model_state_dict(module, model, options=WHOLE)
    moments: dict[str, Any] = {}
    for key, value in tensors.items():
        if key.startswith(OPTIMISER):
            weight, name = key.removeprefix(OPTIMISER).split("/")
            moments.setdefault(weight, {})[name] = value
    state: Any = get_optimizer_state_dict(module, optimiser, options=WHOLE)
    set_optimizer_state_dict(module, optimiser, {**state, "state": moments}, options=WHOLE)
    torch.set_rng_state(tensors[f"{RANDOM}.cpu.{team.rank}"].to(torch.uint8))
    if f"{RANDOM}.cuda.{team.rank}" in tensors and torch.cuda.is_available():
        torch.cuda.set_rng_state(tensors[f"{RANDOM}.cuda.{team.rank}"].to(torch.uint8))


def _random_states() -> dict[str, Tensor]:
    states = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        states["cuda"] = torch.cuda.get_rng_state()
    return states
