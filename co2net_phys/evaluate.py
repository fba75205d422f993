"""Compare a reconstruction with the truth, on the grid, by region and at stations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from co2net_phys import metrics
from co2net_phys.data.regions import REGIONS
from co2net_phys.data.schema import CO2, HELD_OUT_ATTRIBUTE, VARIABLES, standard_error_name
from co2net_phys.data.store import TrainingStore
from co2net_phys.errors import DataError
from co2net_phys.prediction_file import (
    MEMBERS,
    Predicted,
    frames_at_once,
    listed_codes,
    part_of,
    pieces,
    target_of,
)
from co2net_phys.probabilistic import probabilistic_scores
from co2net_phys.regional_sums import RegionalSums

Floats = NDArray[np.floating[Any]]
Frames = NDArray[np.int64]
Sampling = Literal["bilinear", "nearest"]
Climatology = Literal["cell", "scalar"]
"""Mean of the truth over time that anomalies are from: of each cell, or of the whole globe."""

TRAINING_ATTRIBUTE = "training_stations"
"""Global attribute of a reconstruction: codes of the stations that it was given."""


class Watcher(Protocol):
    """Something that is shown every map while the scores are made."""

    def add(self, prediction: Floats, truth: Floats) -> None:
        """Take maps (n, H, W), which come in the order of time."""


class Evaluated(NamedTuple):
    """Scores, and what they were made of.

    Attributes:
        scores: as `evaluate` returns them.
        sums: sums over the regions at every time.
        frames: (n,) frames of the truth that were compared.
        at_sites: predicted values (n, S) at the stations of the truth.
        observed: observations (n, S) there, NaN where missing.
    """

    scores: dict[str, Any]
    sums: RegionalSums
    frames: Frames
    at_sites: Floats
    observed: Floats


def evaluate(prediction: xr.Dataset, source: str, truth: TrainingStore) -> dict[str, Any]:
    """Scores of the times that `prediction` and `truth` share.

    The variable is CO2, or another that networks reconstruct, in a dataset without CO2. It may
    have members (dimension "realization"), of which the mean is scored; their standard deviation
    is then the standard error, unless the dataset has one of its own.

    Returns
    -------
    "rmse", "acc", "bias", "mae", … on the globe, "regions" (each the same), "stations"
    (held out and training, pooled and by site), "times", "variable" and "unit"; with a standard
    error also "probabilistic", see `co2net_phys.probabilistic.probabilistic_scores`, on the globe
    and in each group of stations.

    Raises
    ------
    DataError
        The grids differ, no time is shared, or a standard error is negative.
    """
    return evaluated(prediction, source, truth).scores


def evaluated(
    prediction: xr.Dataset,
    source: str,
    truth: TrainingStore,
    watchers: Sequence[Watcher] = (),
    method: Sampling = "bilinear",
    climatology: Climatology = "cell",
) -> Evaluated:
    """As `evaluate`, with what the scores were made of; `watchers` see every map on its way.

    Maps are read a few at a time; only where there is a standard error, whose classes need every
    cell at once, are they all kept.
    """
    indices, frames = shared_times(prediction, source, truth)
    given = pieces(prediction.isel(time=indices), source)
    groups = groups_of(prediction, [station.code for station in truth.stations])
    target = target_of(prediction, source)
    return _evaluated(given, truth, frames, groups, target, watchers, method, climatology)


def comparison(prediction: xr.Dataset, source: str, truth: TrainingStore) -> dict[str, Any]:
    """What `evaluate` would compare, without reading the fields; raises as it does."""
    indices, frames = shared_times(prediction, source, truth)
    target = target_of(prediction, source)
    held_out = listed_codes(prediction, HELD_OUT_ATTRIBUTE)
    times = _described(truth, frames, target)["times"]
    cells = truth.shape[0] * truth.shape[1]
    members = prediction.sizes[MEMBERS] if MEMBERS in prediction[target].dims else 0
    kept = 4 * len(indices) * cells  # the truth, in single precision
    if members or standard_error_name(target) in prediction:
        kept += (3 + members) * 8 * len(indices) * cells
    return {
        "variable": target,
        "times": len(indices),
        "first": times["first"],
        "last": times["last"],
        "grid": list(truth.shape),
        "stations": len(truth.stations),
        "held_out_stations": None if held_out is None else len(held_out),
        "memory_bytes": kept + 20 * 8 * cells * min(frames_at_once(cells), len(indices)),
    }


def scores(
    predicted: Floats | Predicted,
    truth: TrainingStore,
    frames: Frames,
    held_out: Sequence[str] | None = None,
    target: str = CO2,
) -> dict[str, Any]:
    """Scores of fields (n, H, W) in the unit of `target` against the store's `frames`.

    Anomalies are from the per-cell mean of the truth over these frames.
    """
    given = predicted if isinstance(predicted, Predicted) else Predicted(predicted)
    step = frames_at_once(truth.shape[0] * truth.shape[1])
    parts = (part_of(given, slice(first, first + step)) for first in range(0, len(frames), step))
    groups = station_groups([station.code for station in truth.stations], held_out)
    return _evaluated(parts, truth, frames, groups, target).scores


def station_series(
    predicted: Floats,
    truth: TrainingStore,
    frames: Frames,
    codes: Sequence[str],
    target: str = CO2,
) -> tuple[Floats, Floats]:
    """Bilinear values of `predicted` at the stations, and observations, both (n, S).

    Stations observe CO2; of another variable the true field at the sites is what they would see.
    """
    indices = truth.station_indices(codes)
    observed = truth.observations(frames, indices)
    if target != CO2:
        true = _at_stations(truth.field(target, frames), truth)[:, indices]
        observed = np.where(np.isnan(observed), np.nan, true)
    return _at_stations(predicted, truth)[:, indices], observed


def station_groups(
    codes: Sequence[str], held_out: Sequence[str] | None, training: Sequence[str] | None = None
) -> dict[str, list[str]]:
    """Codes of "held_out", "training" and "other" stations, or of "all" where it is not known.

    Those that are not held out are training stations where these are not listed.
    """
    if held_out is None:
        return {"all": list(codes)} if codes else {}
    unseen = set(held_out)
    seen = set(codes if training is None else training) - unseen
    groups = {
        "held_out": [code for code in codes if code in unseen],
        "training": [code for code in codes if code in seen],
        "other": [code for code in codes if code not in unseen | seen],
    }
    return {name: group for name, group in groups.items() if group}


def groups_of(prediction: xr.Dataset, codes: Sequence[str]) -> dict[str, list[str]]:
    """Groups of stations by what the attributes of a prediction say of them."""
    lists = (listed_codes(prediction, name) for name in (HELD_OUT_ATTRIBUTE, TRAINING_ATTRIBUTE))
    return station_groups(codes, *lists)


def shared_times(
    prediction: xr.Dataset, source: str, truth: TrainingStore
) -> tuple[list[int], Frames]:
    """Positions of the shared times in the prediction and in the truth.

    Raises
    ------
    DataError
        There is no variable to score, the grids differ, its times do not ascend, or none is shared.
    """
    target_of(prediction, source)
    for axis, expected in (("latitude", truth.latitude), ("longitude", truth.longitude)):
        found = prediction[axis].values
        if found.shape != expected.shape or not np.allclose(found, expected, atol=1e-3):
            raise DataError(
                f"{source}: {axis} differs from that of {truth.source}; regrid one of them first"
            )
    position = {moment: index for index, moment in enumerate(truth.times.values)}
    moments = prediction["time"].values
    if not all(earlier < later for earlier, later in pairwise(moments)):
        raise DataError(f"{source}: 'time' does not ascend; sort it and drop duplicates first")
    shared = [index for index, moment in enumerate(moments) if moment in position]
    if not shared:
        raise DataError(f"{source}: no time in common with {truth.source}")
    return shared, np.array([position[moments[index]] for index in shared])


def _evaluated(
    given: Iterable[Predicted],
    truth: TrainingStore,
    frames: Frames,
    groups: Mapping[str, Sequence[str]],
    target: str,
    watchers: Sequence[Watcher] = (),
    method: Sampling = "bilinear",
    climatology: Climatology = "cell",
) -> Evaluated:
    """Scores of the prediction at `frames`, which comes in parts."""
    mean = _mean_field(truth, target, frames, climatology)
    sums = RegionalSums(REGIONS, truth.latitude, truth.longitude, mean)
    at_sites, of_truth, stated = [], [], []
    done = 0
    for part in given:
        true = truth.field(target, frames[done : done + len(part.mean)]).astype(np.float64)
        done += len(part.mean)
        sums.add(part.mean, true)
        for watcher in watchers:
            watcher.add(part.mean, true)
        at_sites.append(_at_stations(part.mean, truth, method))
        if target != CO2:
            of_truth.append(_at_stations(true, truth, method))
        if part.standard_error is not None:
            stated.append((part, true))
    regions = {name: sums.scores(name) for name in REGIONS}
    result: dict[str, Any] = {
        **regions.pop("global"),
        "median_abs_error": sums.median_abs_error(),
        "climatology": climatology,
        "regions": regions,
    }
    codes = [station.code for station in truth.stations]
    observed = truth.observations(frames, range(len(codes))) if codes else np.empty((done, 0))
    if of_truth:
        observed = np.where(np.isnan(observed), np.nan, np.concatenate(of_truth))
    values = np.concatenate(at_sites)
    result["stations"] = {
        name: metrics.station_scores(values[:, own], observed[:, own], group)
        for name, group in groups.items()
        if (own := [codes.index(code) for code in group])
    }
    if stated:
        _add_stated_errors(result, stated, truth, observed, method)
    result |= _described(truth, frames, target)
    return Evaluated(result, sums, frames, values, observed)


def _add_stated_errors(
    result: dict[str, Any],
    stated: Sequence[tuple[Predicted, Floats]],
    truth: TrainingStore,
    observed: Floats,
    method: Sampling,
) -> None:
    """Add "probabilistic" for the globe and for each group of stations."""
    mean, errors, true = (
        np.concatenate(parts)
        for parts in zip(
            *((part.mean, part.standard_error, true) for part, true in stated), strict=True
        )
    )
    members = [part.members for part, _ in stated if part.members is not None]
    result["probabilistic"] = probabilistic_scores(
        mean, errors, true, metrics.latitude_weights(truth.latitude),
        np.concatenate(members, axis=1) if members else None,
    )  # fmt: skip
    at_sites, spread = (_at_stations(field, truth, method) for field in (mean, errors))
    codes = [station.code for station in truth.stations]
    for group in result["stations"].values():
        own = [codes.index(code) for code in group["sites"]]
        y, sigma, u = (values[:, own, None] for values in (at_sites, spread, observed))
        # Every observation has the same weight.
        group["probabilistic"] = probabilistic_scores(y, sigma, u, np.ones(len(own)))


def _at_stations(field: Floats, truth: TrainingStore, method: Sampling = "bilinear") -> Floats:
    """Values (n, S) of a field (n, H, W) at all stations of the truth."""
    north = np.array([station.latitude for station in truth.stations])
    east = np.array([station.longitude for station in truth.stations])
    return metrics.sample_at(field, truth.latitude, truth.longitude, north, east, method)


def _mean_field(
    truth: TrainingStore, target: str, frames: Frames, climatology: Climatology
) -> NDArray[np.float64]:
    """Mean (H, W) of the truth over `frames`, NaN where it is never known.

    "scalar": that of all cells together, by area, in every cell.
    """
    total, count = np.zeros(truth.shape), np.zeros(truth.shape)
    step = frames_at_once(total.size)
    for first in range(0, len(frames), step):
        field = truth.field(target, frames[first : first + step]).astype(np.float64)
        known = ~np.isnan(field)
        total += np.where(known, field, 0.0).sum(axis=0)
        count += known.sum(axis=0)
    if climatology == "scalar":
        area = metrics.latitude_weights(truth.latitude)[:, None]
        total, count = (np.full(truth.shape, (area * sums).sum()) for sums in (total, count))
    return total / np.where(count > 0, count, np.nan)


def _described(truth: TrainingStore, frames: Frames, target: str) -> dict[str, Any]:
    """Which times and which variable were compared."""
    labels = truth.times.isel(time=[frames[0], frames[-1]]).dt.strftime("%Y-%m-%dT%H:%M:%S").values
    times = {"first": str(labels[0]), "last": str(labels[-1]), "count": len(frames)}
    return {"times": times, "variable": target, "unit": VARIABLES[target].units}
