"""The systems that the commands know, by the names of `co2net_phys.families`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from co2net_phys.config import TrainingConfig
from co2net_phys.cost import count_parameters, training_plan
from co2net_phys.data.store import open_store
from co2net_phys.distributed import Team
from co2net_phys.errors import UsageError
from co2net_phys.families import FAMILIES
from co2net_phys.preparation import prepare
from co2net_phys.run_options import RunOptions
from co2net_phys.system import System
from co2net_phys.task import Task
from co2net_phys.training import SurfaceTask

HOW_IT_LEARNS = ("epochs", "batch_size", "learning_rate", "schedule", "weight_decay")


def system(name: str) -> System:
    """Return the system of that name, of which the others need not be imported.

    Raises
    ------
    UsageError
        There is none.
    """
    if name == "columns":
        from co2net_phys.columns import system as columns

        return columns
    if name == "satellite":
        from co2net_phys.satellite import system as satellite

        return satellite
    if name == "fluxes":
        from co2net_phys.fluxes import system as fluxes

        return fluxes
    raise UsageError(f"{name!r} is no system that this version knows")


def system_name(model: str) -> str:
    """Name of the family that the model called `model` belongs to."""
    return next(name for name, family in FAMILIES.items() if model in family.models)


def task_of(options: RunOptions, data: Path, team: Team) -> Task:
    """Return what a run with these options learns from the files in `data`."""
    if isinstance(options, TrainingConfig):
        store = open_store(data, need_target=False)
        return SurfaceTask(prepare(options, store), options, team)
    return system(system_name(options.architecture)).task_of(options, data, team)


def plan_of(options: RunOptions, data: Path) -> dict[str, Any]:
    """Return what a run will take: "parameters", "steps", "options", "device" and more."""
    if isinstance(options, TrainingConfig):
        store = open_store(data, need_target=False)
        return training_plan(prepare(options, store, fit=False), options)
    task = task_of(options, data, Team())
    return {
        "model": options.architecture,
        "parameters": count_parameters(task.learner.model),
        "steps": task.batches_per_epoch * options.epochs,
        "options": {name: getattr(options, name) for name in HOW_IT_LEARNS},
        "device": str(next(task.learner.parameters()).device),
    }
