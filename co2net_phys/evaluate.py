"""Compare a reconstruction with the truth, on the grid, by region and at stations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from co2net_phys import metrics
from co2net_phys.data.opening import explained_reading_errors
from co2net_phys.data.regions import REGIONS
from co2net_phys.data.schema import (
    CO2,
    HELD_OUT_ATTRIBUTE,
    STATION_CO2,
    VARIABLES,
)
from co2net_phys.data.store import TrainingStore
from co2net_phys.errors import DataError

UNIT = VARIABLES[CO2].units

Floats = NDArray[np.floating[Any]]


def evaluate(prediction: xr.Dataset, source: str, truth: TrainingStore) -> dict[str, Any]:
    """Scores of the times that `prediction` and `truth` share.

    Returns
    -------
    "rmse", "acc", "bias", "mae", … on the globe, "regions" (each rmse, acc, bias), "stations"
    (held out and training, pooled and by site), "times" and "unit".

    Raises
    ------
    DataError
        The grids differ, or no time is shared.
    """
    predicted, frames = _common_times(prediction, source, truth)
    return scores(predicted, truth, frames, _held_out(prediction))


def comparison(prediction: xr.Dataset, source: str, truth: TrainingStore) -> dict[str, Any]:
    """What `evaluate` would compare, without reading the fields; raises as it does."""
    indices, frames = _shared_times(prediction, source, truth)
    labels = truth.times.dt.strftime("%Y-%m-%dT%H:%M:%S").values[frames]
    held_out = _held_out(prediction)
    return {
        "times": len(indices),
        "first": str(labels[0]),
        "last": str(labels[-1]),
        "grid": list(truth.shape),
        "stations": len(truth.stations),
        "held_out_stations": None if held_out is None else len(held_out),
        "memory_bytes": 3 * 8 * len(indices) * truth.shape[0] * truth.shape[1],
    }


def scores(
    predicted: Floats,
    truth: TrainingStore,
    frames: NDArray[np.int64],
    held_out: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Scores of fields (n, H, W) in µmol mol-1 against the store's `frames`.

    Anomalies are from the per-cell mean of the truth over these frames.
    """
    field = truth.field(CO2, frames)
    climatology = np.nanmean(field, axis=0, dtype=np.float64)
    regions = [name for name in REGIONS if name != "global"]
    result = metrics.score(predicted, field, truth.latitude, truth.longitude, climatology, regions)
    stations = station_groups(predicted, truth, frames, held_out)
    labels = truth.times.dt.strftime("%Y-%m-%dT%H:%M:%S").values[frames]
    times = {"first": str(labels[0]), "last": str(labels[-1]), "count": len(frames)}
    return result | {"stations": stations, "times": times, "unit": UNIT}


def station_groups(
    predicted: Floats,
    truth: TrainingStore,
    frames: NDArray[np.int64],
    held_out: Sequence[str] | None,
) -> dict[str, Any]:
    """Station scores, for "held_out" and "training" stations apart, or for "all" of them."""
    if STATION_CO2 not in truth.dataset:
        return {}
    codes = [station.code for station in truth.stations]
    groups = {"all": codes}
    if held_out is not None:
        unseen = set(held_out)
        groups = {
            "held_out": [code for code in codes if code in unseen],
            "training": [code for code in codes if code not in unseen],
        }
    result = {}
    for name, group in groups.items():
        if group:
            at_sites, observed = station_series(predicted, truth, frames, group)
            result[name] = metrics.station_scores(at_sites, observed, group)
    return result


def station_series(
    predicted: Floats, truth: TrainingStore, frames: NDArray[np.int64], codes: Sequence[str]
) -> tuple[Floats, Floats]:
    """Bilinear values of `predicted` at the stations, and observations, both (n, S)."""
    indices = truth.station_indices(codes)
    sites = [truth.stations[index] for index in indices]
    latitude = np.array([site.latitude for site in sites])
    longitude = np.array([site.longitude for site in sites])
    at_sites = metrics.sample_at(predicted, truth.latitude, truth.longitude, latitude, longitude)
    return at_sites, truth.observations(frames, indices)


def _held_out(prediction: xr.Dataset) -> list[str] | None:
    listed = prediction.attrs.get(HELD_OUT_ATTRIBUTE)
    return None if listed is None else str(listed).split()


def _common_times(
    prediction: xr.Dataset, source: str, truth: TrainingStore
) -> tuple[Floats, NDArray[np.int64]]:
    indices, frames = _shared_times(prediction, source, truth)
    fields = prediction[CO2].transpose("time", "latitude", "longitude").isel(time=indices)
    with explained_reading_errors(f"{source}: variable {CO2!r}"):
        return np.asarray(fields.values, dtype=np.float64), frames


def _shared_times(
    prediction: xr.Dataset, source: str, truth: TrainingStore
) -> tuple[list[int], NDArray[np.int64]]:
    """Positions of the shared times in the prediction and in the truth."""
    if CO2 not in prediction or set(prediction[CO2].dims) != {"time", "latitude", "longitude"}:
        raise DataError(
            f"{source}: no variable {CO2!r} (time, latitude, longitude); give a file of "
            "`co2phys reconstruct`"
        )
    for axis, expected in (("latitude", truth.latitude), ("longitude", truth.longitude)):
        found = prediction[axis].values
        if found.shape != expected.shape or not np.allclose(found, expected, atol=1e-3):
            raise DataError(
                f"{source}: {axis} differs from that of {truth.source}; regrid one of them first"
            )
    position = {moment: index for index, moment in enumerate(truth.times.values)}
    moments = prediction["time"].values
    shared = [index for index, moment in enumerate(moments) if moment in position]
    if not shared:
        raise DataError(f"{source}: no time in common with {truth.source}")
    return shared, np.array([position[moments[index]] for index in shared])
