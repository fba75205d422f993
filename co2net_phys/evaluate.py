"""Compare a reconstruction with the truth, on the grid, by region and at stations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

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
    TARGETS,
    VARIABLES,
    standard_error_name,
)
from co2net_phys.data.store import TrainingStore
from co2net_phys.errors import DataError
from co2net_phys.probabilistic import probabilistic_scores

Floats = NDArray[np.floating[Any]]

DIMENSIONS = ("time", "latitude", "longitude")
MEMBERS = "realization"
"""Dimension of the members of an ensemble, by its CF standard name."""


class Predicted(NamedTuple):
    """A variable and, where known, its standard error, (n, H, W), and its members."""

    mean: Floats
    standard_error: Floats | None = None
    members: Floats | None = None
    """(M, n, H, W)."""


def evaluate(prediction: xr.Dataset, source: str, truth: TrainingStore) -> dict[str, Any]:
    """Scores of the times that `prediction` and `truth` share.

    The variable is CO2, or another that networks reconstruct, in a dataset without CO2. It may
    have members (dimension "realization"), of which the mean is scored; their standard deviation
    is then the standard error, unless the dataset has one of its own.

    Returns
    -------
    "rmse", "acc", "bias", "mae", … on the globe, "regions" (each rmse, acc, bias), "stations"
    (held out and training, pooled and by site), "times", "variable" and "unit"; with a standard
    error also "probabilistic", see `co2net_phys.probabilistic.probabilistic_scores`, on the globe
    and in each group of stations.

    Raises
    ------
    DataError
        The grids differ, no time is shared, or a standard error is negative.
    """
    predicted, frames = _common_times(prediction, source, truth)
    return scores(predicted, truth, frames, _held_out(prediction), _target(prediction, source))


def comparison(prediction: xr.Dataset, source: str, truth: TrainingStore) -> dict[str, Any]:
    """What `evaluate` would compare, without reading the fields; raises as it does."""
    indices, frames = _shared_times(prediction, source, truth)
    target = _target(prediction, source)
    fields = 2 + (standard_error_name(target) in prediction)
    fields += prediction.sizes[MEMBERS] if MEMBERS in prediction[target].dims else 0
    labels = truth.times.dt.strftime("%Y-%m-%dT%H:%M:%S").values[frames]
    held_out = _held_out(prediction)
    return {
        "variable": target,
        "times": len(indices),
        "first": str(labels[0]),
        "last": str(labels[-1]),
        "grid": list(truth.shape),
        "stations": len(truth.stations),
        "held_out_stations": None if held_out is None else len(held_out),
        "memory_bytes": (fields + 1) * 8 * len(indices) * truth.shape[0] * truth.shape[1],
    }


def scores(
    predicted: Floats | Predicted,
    truth: TrainingStore,
    frames: NDArray[np.int64],
    held_out: Sequence[str] | None = None,
    target: str = CO2,
) -> dict[str, Any]:
    """Scores of fields (n, H, W) in the unit of `target` against the store's `frames`.

    Anomalies are from the per-cell mean of the truth over these frames.
    """
    given = predicted if isinstance(predicted, Predicted) else Predicted(predicted)
    field = truth.field(target, frames)
    climatology = np.nanmean(field, axis=0, dtype=np.float64)
    regions = [name for name in REGIONS if name != "global"]
    result = metrics.score(given.mean, field, truth.latitude, truth.longitude, climatology, regions)
    if given.standard_error is not None:
        weights = metrics.latitude_weights(truth.latitude)
        result["probabilistic"] = probabilistic_scores(
            given.mean, given.standard_error, field, weights, given.members
        )
    stations = station_groups(given, truth, frames, held_out, target)
    labels = truth.times.dt.strftime("%Y-%m-%dT%H:%M:%S").values[frames]
    times = {"first": str(labels[0]), "last": str(labels[-1]), "count": len(frames)}
    unit = VARIABLES[target].units
    return result | {"stations": stations, "times": times, "variable": target, "unit": unit}


def station_groups(
    predicted: Predicted,
    truth: TrainingStore,
    frames: NDArray[np.int64],
    held_out: Sequence[str] | None,
    target: str = CO2,
) -> dict[str, Any]:
    """Station scores, for "held_out" and "training" stations apart, or for "all" of them.

    Stations observe CO2; of another variable the true field at the sites is what they would see.
    """
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
            at_sites, observed = station_series(predicted.mean, truth, frames, group, target)
            result[name] = metrics.station_scores(at_sites, observed, group)
            if predicted.standard_error is not None:
                errors, _ = station_series(predicted.standard_error, truth, frames, group)
                result[name]["probabilistic"] = _at_stations(at_sites, errors, observed)
    return result


def _at_stations(predicted: Floats, errors: Floats, observed: Floats) -> dict[str, Any]:
    """Probabilistic scores of series (n, S), every observation of the same weight."""
    equal = np.ones(observed.shape[1])
    return probabilistic_scores(predicted[..., None], errors[..., None], observed[..., None], equal)


def station_series(
    predicted: Floats,
    truth: TrainingStore,
    frames: NDArray[np.int64],
    codes: Sequence[str],
    target: str = CO2,
) -> tuple[Floats, Floats]:
    """Bilinear values of `predicted` at the stations, and observations, both (n, S)."""
    indices = truth.station_indices(codes)
    sites = [truth.stations[index] for index in indices]
    latitude = np.array([site.latitude for site in sites])
    longitude = np.array([site.longitude for site in sites])

    def at_sites(field: Floats) -> Floats:
        return metrics.sample_at(field, truth.latitude, truth.longitude, latitude, longitude)

    observed = truth.observations(frames, indices)
    if target != CO2:
        observed = np.where(np.isnan(observed), np.nan, at_sites(truth.field(target, frames)))
    return at_sites(predicted), observed


def _target(prediction: xr.Dataset, source: str) -> str:
    """The variable to score: the first of `TARGETS` with the right dimensions."""
    for name in TARGETS:
        if name in prediction and {*prediction[name].dims} - {MEMBERS} == {*DIMENSIONS}:
            return name
    raise DataError(
        f"{source}: no variable {CO2!r} (time, latitude, longitude); give a file of "
        "`co2phys reconstruct`"
    )


def _held_out(prediction: xr.Dataset) -> list[str] | None:
    listed = prediction.attrs.get(HELD_OUT_ATTRIBUTE)
    return None if listed is None else str(listed).split()


def _common_times(
    prediction: xr.Dataset, source: str, truth: TrainingStore
) -> tuple[Predicted, NDArray[np.int64]]:
    indices, frames = _shared_times(prediction, source, truth)
    shared = prediction.isel(time=indices)
    target = _target(prediction, source)
    members = errors = None
    mean = _values(shared, target, source)
    if mean.ndim == 4:
        members, mean = mean, mean.mean(axis=0)
        errors = members.std(axis=0)
    name = standard_error_name(target)
    if name in prediction:
        if {*prediction[name].dims} != {*DIMENSIONS}:
            raise DataError(
                f"{source}: variable {name!r} has dimensions {prediction[name].dims}, expected "
                f"{DIMENSIONS}"
            )
        errors = _values(shared, name, source)
        if (errors < 0).any():
            raise DataError(f"{source}: variable {name!r} is negative somewhere; mask it there")
    return Predicted(mean, errors, members), frames


def _values(prediction: xr.Dataset, name: str, source: str) -> Floats:
    """Values (n, H, W), or (M, n, H, W) of members."""
    array = prediction[name]
    with explained_reading_errors(f"{source}: variable {name!r}"):
        return np.asarray(array.transpose(..., *DIMENSIONS).values, dtype=np.float64)


def _shared_times(
    prediction: xr.Dataset, source: str, truth: TrainingStore
) -> tuple[list[int], NDArray[np.int64]]:
    """Positions of the shared times in the prediction and in the truth."""
    _target(prediction, source)
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
