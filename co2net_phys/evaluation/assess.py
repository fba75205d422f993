"""Everything that `co2phys evaluate` finds out about one prediction."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from co2net_phys.data.schema import CO2, HELD_OUT_ATTRIBUTE, VARIABLES
from co2net_phys.data.store import TrainingStore
from co2net_phys.errors import DataError
from co2net_phys.evaluate import (
    TRAINING_ATTRIBUTE,
    Climatology,
    Sampling,
    evaluated,
    groups_of,
    shared_times,
)
from co2net_phys.evaluation import intervals
from co2net_phys.evaluation.observed import observed, within
from co2net_phys.evaluation.pairs import Pairs, checked_codes, of_series
from co2net_phys.evaluation.sampling import TimeSampling, maps_of
from co2net_phys.evaluation.site_scores import site_scores
from co2net_phys.evaluation.trends import trend_of
from co2net_phys.evaluation.watchers import ErrorMaps, EventCurves, Spectra
from co2net_phys.metrics import Event
from co2net_phys.prediction_file import checked_units, listed_codes, target_of
from co2net_phys.regional_sums import RegionalSums

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Choices:
    """How to compare.

    Attributes:
        place: bilinear values at stations, or those of the nearest cell.
        moment: values between two maps at the time of a measurement, or those of the nearest map.
        held_out: codes that replace those the prediction lists; None to keep these.
        period: first and last time as ISO text, which may be cut short; None for no limit.
        events: boxes and periods to look at.
        climatology: what the anomalies of the ACC are from.
    """

    place: Sampling = "bilinear"
    moment: TimeSampling = "linear"
    held_out: Sequence[str] | None = None
    period: tuple[str | None, str | None] = (None, None)
    events: Sequence[Event] = ()
    climatology: Climatology = "cell"


@dataclass
class Assessment:
    """Scores, and the arrays behind them that figures show.

    Attributes:
        scores: what is written as JSON.
        pairs: at stations; None where there are no observations.
        grid: what is known on the grid; None without a truth.
    """

    scores: dict[str, Any] = field(default_factory=dict)
    pairs: Pairs | None = None
    grid: GridFindings | None = None


@dataclass(frozen=True)
class GridFindings:
    """A comparison on the grid.

    Attributes:
        latitude, longitude: (H,), (W,) degrees.
        times: (n,) datetime64 or cftime.
        sums: over the regions at every time.
        errors: mean errors of every cell.
        events: curves by the name of the event.
    """

    latitude: NDArray[np.float64]
    longitude: NDArray[np.float64]
    times: NDArray[Any]
    sums: RegionalSums
    errors: ErrorMaps
    events: dict[str, dict[str, Any]]


def assess(
    prediction: xr.Dataset,
    source: str,
    truth: TrainingStore | None,
    table: xr.Dataset | None,
    choices: Choices,
) -> Assessment:
    """Compare a prediction with true fields, with the observations of station files, or both.

    With a table, "stations" are scored against it; without, against the observations of the truth.

    Raises
    ------
    DataError
        Something in a file stands in the way of a comparison.
    UsageError
        A held-out station is not observed, or an event lies outside.
    """
    given = _chosen(prediction, source, truth, table, choices)
    result = Assessment()
    if truth is not None:
        _add_grid(result, given, source, truth, choices)
    if table is not None:
        _add_observations(result, given, source, table, choices)
    return result


def _chosen(
    prediction: xr.Dataset,
    source: str,
    truth: TrainingStore | None,
    table: xr.Dataset | None,
    choices: Choices,
) -> xr.Dataset:
    """The prediction in the unit of the schema, with the stations that the user holds out."""
    given = checked_units(prediction, source)
    if choices.held_out is None:
        return given
    if table is not None:
        where, sites = "the station files", set(table["site"].values.tolist())
        at_heights = [code for code in choices.held_out if _site_of(code) in sites]
        codes = [*sorted(sites), *at_heights]
    elif truth is not None:
        where, codes = truth.source, [station.code for station in truth.stations]
    held_out = checked_codes(choices.held_out, codes, where)
    trained = {_site_of(code) for code in listed_codes(given, TRAINING_ATTRIBUTE) or ()}
    if seen := [code for code in held_out if _site_of(code) in trained]:
        LOG.warning(
            "%s: made from %s, which --held-out counts as held out; their scores do not tell how "
            "good it is elsewhere",
            source, ", ".join(seen),
        )  # fmt: skip
    return given.assign_attrs({HELD_OUT_ATTRIBUTE: " ".join(held_out)})


def _site_of(code: str) -> str:
    """The site of a code that tells a height, such as LEF-396magl."""
    return code.rpartition("-")[0] if code.endswith("magl") else code


def in_period(
    prediction: xr.Dataset, source: str, period: tuple[str | None, str | None]
) -> xr.Dataset:
    """The maps of a prediction in a period.

    Raises
    ------
    DataError
        There is none.
    """
    target_of(prediction, source)
    labels = prediction["time"].dt.strftime("%Y-%m-%dT%H:%M:%S").values.astype(str)
    inside = within(labels, period)
    if not inside.any():
        raise DataError(
            f"{source}: no time between {period[0] or 'its first'} and {period[1] or 'its last'}; "
            "change --start or --end"
        )
    return prediction if inside.all() else prediction.isel(time=np.flatnonzero(inside))


def _add_grid(
    result: Assessment, given: xr.Dataset, source: str, truth: TrainingStore, choices: Choices
) -> None:
    """Add what is known on the grid, and at the stations of the truth."""
    chosen = in_period(given, source, choices.period)
    _, frames = shared_times(chosen, source, truth)
    times = np.asarray(truth.times.values[frames])
    errors, spectra = ErrorMaps(truth.shape), Spectra(truth.latitude)
    curves = EventCurves(choices.events, times, truth.latitude, truth.longitude)
    found = evaluated(chosen, source, truth, (errors, spectra, curves), choices.place,
                      choices.climatology)  # fmt: skip
    scores, events = found.scores, curves.found()
    for name in found.sums.regions:
        row = scores if name == "global" else scores["regions"][name]
        predicted, true = found.sums.spreads(name)
        row["standard_deviation_ratio"] = predicted / true if true > 0 else float("nan")
        row["intervals"] = intervals.of_region(found.sums, name)
        row["trend"] = trend_of(times, *found.sums.mean_series(name))
    scores["spectrum"] = spectra.mean
    scores["events"] = {
        name: event["scores"] | {"times": len(event["times"])} for name, event in events.items()
    }
    if scores["stations"]:
        pairs = of_series(truth.stations, times, found.observed, found.at_sites)
        groups = scores["stations"]
        scores["stations"] = site_scores(
            pairs, {name: list(groups[name]["sites"]) for name in groups}
        )
        for name, group in scores["stations"].items():
            if "probabilistic" in groups[name]:
                group["probabilistic"] = groups[name]["probabilistic"]
        result.pairs = pairs
    result.scores = scores
    result.grid = GridFindings(truth.latitude, truth.longitude, times, found.sums, errors, events)


def _add_observations(
    result: Assessment, given: xr.Dataset, source: str, table: xr.Dataset, choices: Choices
) -> None:
    """Add, or put in place of those of the truth, the stations of a table."""
    maps = maps_of(given, source, choices.place, choices.moment)
    lists = (listed_codes(given, name) for name in (HELD_OUT_ATTRIBUTE, TRAINING_ATTRIBUTE))
    codes = [code for listed in lists for code in listed or ()]
    found = observed(table, maps, codes, choices.period)
    result.pairs = found.pairs
    stations = site_scores(found.pairs, groups_of(given, found.pairs.codes))
    result.scores = {
        "variable": CO2, "unit": VARIABLES[CO2].units, **result.scores,
        "stations": stations, "observations": found.described,
    }  # fmt: skip
