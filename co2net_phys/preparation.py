"""What a training run needs before its first step: blocks, stations, statistics, model."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from co2net_phys.architectures import ARCHITECTURES, make_network
from co2net_phys.baselines import BASELINES, Baseline
from co2net_phys.baselines.cross_fitting import FOLDS, CrossFitted, blocks_left_out
from co2net_phys.config import TrainingConfig, check_losses
from co2net_phys.data.schema import CO2, VARIABLES
from co2net_phys.data.splits import GAP_DAYS, Split, split_frames, split_of
from co2net_phys.data.stations import Station, split_stations
from co2net_phys.data.statistics import field_statistics
from co2net_phys.data.store import TrainingStore
from co2net_phys.data.windows import Windows, window_ends
from co2net_phys.errors import DataError, UsageError
from co2net_phys.network import Network
from co2net_phys.network_config import WIND, NetworkConfig

DEFAULT_FRAMES = 8
"""24 h of 3-hourly frames (CarbonTracker set-up of the paper)."""

VALIDATED_AT_STATIONS = (
    f"RMSE in {VARIABLES[CO2].units} at training stations hidden from the input, in turn"
)
"""What the validation error of a run without gridded CO2 is, for its metadata."""


@dataclass(frozen=True)
class Prepared:
    """A model and the windows it learns from."""

    model: Network
    train: Windows
    validation: Windows
    split: Split
    training_stations: tuple[Station, ...]
    held_out_stations: tuple[Station, ...]
    wind_from: NDArray[np.int64] | None = None
    """Position of the training window whose wind each one is taught; None: its own."""
    cross_fitted: CrossFitted | None = None
    """First guesses of training windows, from methods that have not seen their block."""

    @property
    def description(self) -> dict[str, Any]:
        """Plain values for the checkpoint's metadata."""
        return self._of_stations_alone | {
            "split": {name: list(block) for name, block in self.split.items()},
            "training_stations": [station.code for station in self.training_stations],
            "held_out_stations": [station.code for station in self.held_out_stations],
            "latitude": self.train.store.latitude.tolist(),
            "longitude": self.train.store.longitude.tolist(),
        }

    @property
    def _of_stations_alone(self) -> dict[str, Any]:
        """Where there is no gridded CO2: what the validation is, and which values are learned."""
        if self.train.with_target:
            return {}
        store = self.train.store
        values = store.observations(np.arange(len(store)), self.train.stations)
        return {
            "validation": VALIDATED_AT_STATIONS,
            "observations_sha256": hashlib.sha256(values.tobytes()).hexdigest(),
        }


def prepare(
    config: TrainingConfig, store: TrainingStore, *, fit: bool = True, hold_out: bool = True
) -> Prepared:
    """Split, fit the background on the training block, and build the network from `seed`.

    Without `fit` a station mean stands in for the background: the network has the same shape, and
    a plan costs nothing. Without `hold_out` all stations of the store train.

    A store without gridded CO2 will do where stations are the target. Mean and spread of CO2 are
    then those of the training stations, and so is all that the background and the validation know.

    Raises
    ------
    DataError
        The store is too short, has too few stations, or lacks the gridded CO2 that is learned.
    UsageError
        The model's options contradict the store.
    """
    _require_truth(config, store)
    frames = window_length(config)
    split = config.split or split_of(store, frames)
    seed = config.seed if config.station_seed is None else config.station_seed
    count = config.training_stations
    training, held_out = chosen_stations(store, count, seed) if hold_out else (store.stations, ())
    if config.target_variable != CO2 and config.background != "none":
        raise UsageError(
            f"--background {config.background} is a first guess of CO2, not of "
            f"{config.target_variable!r}; use --background none"
        )
    indices = store.station_indices([station.code for station in training])
    train_frames = split_frames(store, split, "train")
    if not fit and config.background != "none":
        config = config.model_copy(update={"background": "station-mean"})
    model = _build(config, store, train_frames, indices)
    check_losses(config, model.config)
    every = config.sample_every
    ends = {
        name: window_ends(store, split_frames(store, split, name), frames, every)
        for name in ("train", "validation")
    }
    blocks = {
        name: Windows(store, ends[name], indices, frames, CO2 in store.dataset, every)
        for name in ends
    }
    cross_fitted = (
        cross_fit(config.background, store, train_frames, indices, frames) if fit else None
    )
    shuffled = config.shuffled_wind and model.config.probes_wind
    wind_from = other_times(blocks["train"], config.seed) if shuffled else None
    return Prepared(
        model, blocks["train"], blocks["validation"], split, training, held_out, wind_from,
        cross_fitted,
    )  # fmt: skip


def other_times(windows: Windows, seed: int) -> NDArray[np.int64]:
    """For each window the position of one at another time of its block, drawn by `seed`.

    The other is at least `GAP_DAYS` away, or a quarter of the block where that is shorter: the
    wind of a day later is nearly the same wind.

    Raises
    ------
    DataError
        There is only one window.
    """
    times = windows.store.seconds[windows.ends]
    if len(times) < 2:
        raise DataError(
            f"{windows.store.source}: one window has no other time to take its wind from; "
            "provide a longer record"
        )
    apart = min(GAP_DAYS * 86400, (times[-1] - times[0]) / 4)
    before = np.searchsorted(times, times - apart, side="right")  # windows that long earlier
    after = np.searchsorted(times, times + apart, side="left")
    drawn = np.random.default_rng([seed, 11]).integers(before + len(times) - after)
    return np.where(drawn < before, drawn, drawn - before + after)


def _require_truth(config: TrainingConfig, store: TrainingStore) -> None:
    """Refuse a store without gridded CO2 where the field or the first guess is learned from it."""
    if CO2 in store.dataset:
        return
    if config.target != "stations":
        raise DataError(
            f"{store.source}: no variable {CO2!r} to learn from; add the files of CO2, or learn "
            "from the stations: --target stations"
        )
    if config.background != "none" and BASELINES[config.background].learns_fields:
        raise UsageError(
            f"--background {config.background} is fitted to gridded CO2, and {store.source} has no "
            f"{CO2!r}; use kriging, station-mean or none"
        )


def window_length(config: TrainingConfig) -> int:
    """Frames in a window; raises `UsageError` where that is no even number."""
    frames = config.model.get("frames", DEFAULT_FRAMES)
    if not isinstance(frames, int) or frames < 2 or frames % 2:
        raise UsageError(f"model.frames: {frames!r} is not an even number of at least 2")
    return frames


def chosen_stations(
    store: TrainingStore, count: int, seed: int
) -> tuple[tuple[Station, ...], tuple[Station, ...]]:
    """Training and held-out stations of a store, drawn by `seed`.

    A network of `count` stations or fewer trains with three quarters of them.

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
) -> Network:
    kind = ARCHITECTURES[config.architecture]
    given = {
        "grid": store.shape,
        "frame_spacing_s": config.sample_every * store.time_step,
        "statistics": field_statistics(store, frames, stations),
    }
    if config.architecture == "co2net":
        given["size"] = config.size
    fixed = sorted(set(given) & set(config.model))
    if fixed:
        raise UsageError(f"model.{fixed[0]} follows from the data and --size; leave it out")
    options: dict[str, Any] = {
        "frames": DEFAULT_FRAMES,
        "auxiliaries": _auxiliaries(store, config.without),
        **config.model,
        **given,
    }
    if config.architecture == "co2net":
        options.setdefault("decode_times", config.decodes_times)
        if config.wind_weight == 0:
            options["wind_probe"] = False
    _require_wind(store, kind.config, options)
    background = fit_background(config.background, store, frames, stations, options["frames"])
    torch.manual_seed(config.seed)
    return make_network(kind.config(**options), background)


def _auxiliaries(store: TrainingStore, without: Sequence[str]) -> tuple[str, ...]:
    """Those of the store, but the ones that are taken away."""
    for name in without:
        if name not in store.auxiliaries:
            raise UsageError(
                f"without: {name!r} is no auxiliary of {store.source}; it has "
                f"{', '.join(store.auxiliaries) or 'none'}"
            )
    return tuple(name for name in store.auxiliaries if name not in without)


def _require_wind(
    store: TrainingStore, kind: type[NetworkConfig], options: Mapping[str, Any]
) -> None:
    """Refuse options of a network that read a wind the store does not have."""
    missing = [name for name in WIND if name not in store.auxiliaries]
    plain = {**{name: field.default for name, field in kind.model_fields.items()}, **options}
    probed = plain.get("wind_probe", False)
    embedded = plain["embedding"] == "wind" and not plain["withhold_wind"]
    if missing and (probed or embedded):
        raise UsageError(
            f"{store.source}: no {missing[0]!r}; add the wind to the store, or train without it: "
            "--wind-weight 0 --embedding climode"
        )
