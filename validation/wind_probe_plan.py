"""What a probe experiment will take: steps and seconds of every run, without running any."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from co2net_phys.cost import EFFICIENCY, forward_flops, product_speed
from co2net_phys.data.schema import VARIABLES
from co2net_phys.data.store import TrainingStore
from co2net_phys.devices import choose_device
from co2net_phys.model import CO2NetConfig
from co2net_phys.preparation import prepare
from co2net_phys.validation.wind_probe import BATCH_SIZE, ProbeConfig
from co2net_phys.validation.wind_probe_experiment import refuse_another, steps_done
from co2net_phys.validation.wind_probe_scores import disjoint, require_wind, scored_block
from co2net_phys.validation_error import VALIDATION_WINDOWS

GRID, SCORED_IN_BLOCK = (90, 120), 22
"""Grid of the twin and windows of its last block, for a plan before it exists."""


def plan(
    config: ProbeConfig, store: TrainingStore | None, folder: Path | None = None
) -> list[dict[str, Any]]:
    """What every run will take: arm, seed, steps, those behind it, and the seconds that are left.

    The seconds are those of training, validation and scoring, good to a factor of two; the start,
    the reading of the data and the picture are left out.

    Args:
        config: size of the experiment.
        store: its data; None for the twin, before it exists.
        folder: of an experiment that goes on; None for a new one.

    Raises:
        DataError: the store is too short, has too few stations or no wind.
        UsageError: the store has a grid that the patches do not tile, or the experiment in `folder`
            cannot go on so.
    """
    speed = EFFICIENCY * product_speed(choose_device("auto"), "bf16")
    windows, validated, scored = config.windows_per_epoch, VALIDATION_WINDOWS, 2 * SCORED_IN_BLOCK
    if store is not None:
        require_wind(store)
        first = prepare(config.training(config.arms[0], config.seed), store, fit=False)
        windows = min(windows, len(first.train))
        validated = min(validated, len(first.validation))
        # In the last block, and as many in the training block.
        scored = 2 * len(disjoint(scored_block(store, config.frames)))
        if folder is not None:
            refuse_another(folder, config, store)
    batches = -(-windows // BATCH_SIZE)
    steps, rows = batches * config.epochs, []
    for seed, arm in config.runs:
        done = 0 if folder is None else min(steps_done(folder, arm, seed, batches), steps)
        left = 3 * BATCH_SIZE * (steps - done) + (validated if done < steps else 0) + scored
        seconds = left * forward_flops(_network(config, store, arm, seed)) / speed
        rows.append(
            {"arm": arm, "seed": seed, "steps": steps, "done": done, "expected_seconds": seconds}
        )
    return rows


def _network(config: ProbeConfig, store: TrainingStore | None, arm: str, seed: int) -> CO2NetConfig:
    return CO2NetConfig(
        size="XS",
        grid=GRID if store is None else store.shape,
        statistics=dict.fromkeys(VARIABLES, (0.0, 1.0)),
        **config.training(arm, seed).model,
    )
