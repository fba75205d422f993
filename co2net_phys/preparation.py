"""What a training run needs before its first step: blocks, stations, statistics, model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from co2net_phys.baselines import BASELINES, Baseline
from co2net_phys.baselines.cross_fitting import FOLDS, CrossFitted, blocks_left_out
from co2net_phys.config import TrainingConfig
from co2net_phys.data.splits import Split, block_split, split_frames
from co2net_phys.data.stations import Station, split_stations
from co2net_phys.data.statistics import field_statistics
from co2net_phys.data.store import TrainingStore
from co2net_phys.data.windows import Windows, window_ends
from co2net_phys.errors import DataError, UsageError
from co2net_phys.model import CO2Net, CO2NetConfig

DEFAULT_FRAMES = 8
"""24 h of 3-hourly frames (CarbonTracker set-up of the paper)."""


@dataclass(frozen=True)
class Prepared:
    """A model and the windows it learns from."""

    model: CO2Net
    train: Windows
    validation: Windows
    split: Split
    training_stations: tuple[Station, ...]
    held_out_stations: tuple[Station, ...]
    cross_fitted: CrossFitted | None = None
    """First guesses of training windows, from methods that have not seen their block."""

    @property
    def description(self) -> dict[str, Any]:
        """Plain values for the checkpoint's metadata."""
        return {
            "split": {name: list(block) for name, block in self.split.items()},
            "training_stations": [station.code for station in self.training_stations],
            "held_out_stations": [station.code for station in self.held_out_stations],
        }


def prepare(config: TrainingConfig, store: TrainingStore) -> Prepared:
    """Split, fit the background on the training block, and build the network from `seed`.

    Raises
    ------
    DataError
        The store is too short, or has too few stations.
    UsageError
        The model's options contradict the store.
    """
    frames = int(config.model.get("frames", DEFAULT_FRAMES))
    split = config.split or block_split(store, frames)
    training, held_out = chosen_stations(store, config.training_stations, config.seed)
    indices = store.station_indices([station.code for station in training])
    train_frames = split_frames(store, split, "train")
    model = _build(config, store, train_frames, indices)
    blocks = {
        name: Windows(
            store, window_ends(store, split_frames(store, split, name), frames), indices, frames
        )
        for name in ("train", "validation")
    }
    cross_fitted = cross_fit(config.background, store, train_frames, indices, frames)
    return Prepared(
        model, blocks["train"], blocks["validation"], split, training, held_out, cross_fitted
    )


def chosen_stations(
    store: TrainingStore, count: int, seed: int
) -> tuple[tuple[Station, ...], tuple[Station, ...]]:
    """Training and held-out stations of a store, drawn by `seed`.

    Of a network smaller than the usual 96, three quarters train.

    Raises
    ------
    DataError
        The store has fewer than four stations.
    """
    if len(store.stations) < 4:
        raise DataError(
            f"{store.source}: {len(store.stations)} stations, at least 4 are needed; "
            "make the store with `co2phys simulate --preset twin` or give it observations"
        )
    count = count if count < len(store.stations) else round(0.75 * len(store.stations))
    return split_stations(store.stations, seed, count)


def fit_background(
    name: str,
    store: TrainingStore,
    frames: NDArray[np.int64],
    stations: NDArray[np.int64],
    window: int,
) -> Baseline | None:
    """Fit the first guess called `name` to training frames; None for "none"."""
    if name == "none":
        return None
    return BASELINES[name].fit(store, frames, stations, window=window)


def cross_fit(
    name: str,
    store: TrainingStore,
    frames: NDArray[np.int64],
    stations: NDArray[np.int64],
    window: int,
) -> CrossFitted | None:
    """Fit the first guess called `name` once for each block of training frames left out."""
    if name == "none":
        return None
    folds = blocks_left_out(store, frames, FOLDS)
    methods = [BASELINES[name].fit(store, kept, stations, window=window) for kept, _ in folds]
    ends = np.array([block[-1] for _, block in folds])
    return CrossFitted(ends, torch.nn.ModuleList(methods))


def _build(
    config: TrainingConfig,
    store: TrainingStore,
    frames: NDArray[np.int64],
    stations: NDArray[np.int64],
) -> CO2Net:
    options: Mapping[str, Any] = {
        "frames": DEFAULT_FRAMES,
        "auxiliaries": store.auxiliaries,
        **config.model,
        "size": config.size,
        "grid": store.shape,
        "frame_spacing_s": store.time_step,
        "statistics": field_statistics(store, frames),
    }
    if config.wind_weight == 0:
        options = {**options, "wind_probe": False}
    missing = {"uas", "vas"} - set(store.auxiliaries)
    if missing and options.get("wind_probe", True):
        raise UsageError(
            f"{store.source}: no {sorted(missing)[0]!r} to recover; add the wind to the store or "
            "set --wind-weight 0"
        )
    background = fit_background(config.background, store, frames, stations, options["frames"])
    torch.manual_seed(config.seed)
    return CO2Net(CO2NetConfig(**options), background)
